import {
  CANCEL,
  KARPENTER_DO_NOT_DISRUPT,
  LOCKED_BY,
  POD_TEMPLATE_HASH,
  REMOVAL_DISABLED,
} from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { controllerOf, isLive } from '../../api/pods.ts';
import {
  NODE_CLAIMS,
  NODES,
  PODS,
  REBALANCE_PLANS,
  REPLICA_SETS,
  type Resource,
} from '../../api/resources.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { type Action, at, someNode } from './action.ts';
import { NAMESPACE } from './cluster/cluster.ts';
import type { Replicas } from './cluster/owners.ts';
import { makePlan } from './planning.ts';
import type { World } from './world.ts';

const somePod = (world: World, pick: number): Pod | undefined =>
  at(
    world.api.pods().filter((pod) => isLive(pod) && pod.spec.nodeName),
    pick,
  );

const LONG = 'nightly-spot-rebalance-production-eu-west-1';
const NAMES = ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c'] as const;

/** Names of plans by hand, and those of a schedule's claims, which differ in the time and the uid at their end. */
const planName = (world: World, pick: number): string => {
  const name = NAMES[pick];
  return name ?? `${LONG}-${Math.floor(world.simulation.now() / 1000)}`.slice(0, 50);
};

const withAnnotation = <T extends Node | Pod>(object: T, key: string, value: string | undefined): T => {
  const { [key]: _, ...others } = object.metadata.annotations ?? {};
  const annotations = { ...others, ...(value !== undefined && { [key]: value }) };
  return { ...object, metadata: { ...object.metadata, annotations } };
};

const nameOf = (node: Node): string => node.metadata.name;

const afterEdit = (world: World, node: Node, change: (node: Node) => Node): Node => {
  world.api.edit(NODES, { name: nameOf(node) }, change, 'kubectl');
  return world.api.get(NODES, node.metadata);
};

/** What users do to a cluster. */
export const userActions = {
  wait: () => undefined,

  plan: (world, pick, variant) => {
    const name = planName(world, variant);
    if (world.api.find(REBALANCE_PLANS, { name })) return undefined;
    const plan = makePlan(world, {
      name,
      pick,
      count: 1 + (variant % 2),
      isOntoKept: variant % 3 === 0,
      execute: pick % 3 !== 2,
      hasLargeAlternative: variant % 4 === 1,
    });
    if (!plan) return undefined;
    const removed = plan.spec.nodeClaimsToDelete?.map((c) => c.nodeClaimName).join(', ');
    const added = plan.spec.nodeClaimsToAdd?.map((c) => c.metadata.name).join(', ');
    const started = plan.spec.execute ? '' : ', not to be executed yet';
    return `A user makes plan ${name}: removes ${removed}${added ? `, adds ${added}` : ''}${started}`;
  },

  execute: (world, pick) => {
    const plan = at(
      world.api.list(REBALANCE_PLANS).filter((p) => !p.spec.execute),
      pick,
    );
    if (!plan) return undefined;
    world.api.edit(REBALANCE_PLANS, plan.metadata, (p) => ({ ...p, spec: { ...p.spec, execute: true } }));
    return `A user sets plan ${plan.metadata.name} to be executed`;
  },

  executeAll: (world) => {
    const plans = world.api.list(REBALANCE_PLANS).filter((p) => !p.spec.execute);
    for (const { metadata } of plans) {
      world.api.edit(REBALANCE_PLANS, metadata, (p) => ({ ...p, spec: { ...p.spec, execute: true } }));
    }
    if (plans.length === 0) return undefined;
    return `A user sets plans ${plans.map((p) => p.metadata.name).join(', ')} to be executed`;
  },

  cancel: (world, pick) => {
    const plan = at(world.api.list(REBALANCE_PLANS), pick);
    if (!plan) return undefined;
    const annotations = { ...plan.metadata.annotations, [CANCEL]: 'true' };
    world.api.edit(REBALANCE_PLANS, plan.metadata, (p) => ({
      ...p,
      metadata: { ...p.metadata, annotations },
    }));
    return `A user cancels plan ${plan.metadata.name}`;
  },

  deletePlan: (world, pick) => {
    const plan = at(world.api.list(REBALANCE_PLANS), pick);
    if (!plan) return undefined;
    world.api.delete(REBALANCE_PLANS, plan.metadata);
    return `A user deletes plan ${plan.metadata.name}`;
  },

  cordon: (world, pick) => {
    const node = someNode(world, pick);
    // kubectl changes nothing where the node is cordoned.
    if (!node || node.spec?.unschedulable) return undefined;
    const after = afterEdit(world, node, (n) => ({ ...n, spec: { ...n.spec, unschedulable: true } }));
    world.model.mark(after, 'cordon');
    return `A user cordons node ${nameOf(node)}`;
  },

  uncordon: (world, pick) => {
    const node = at(
      world.api.nodes().filter((n) => n.spec?.unschedulable),
      pick,
    );
    if (!node) return undefined;
    world.model.unmark(node, 'cordon');
    afterEdit(world, node, ({ spec, ...n }) => {
      const { unschedulable: _, ...rest } = spec ?? {};
      return { ...n, spec: rest };
    });
    return `A user uncordons node ${nameOf(node)}`;
  },

  taint: (world, pick) => {
    const node = someNode(world, pick);
    if (!node || world.model.marksOf(node).has('taint team')) return undefined;
    const taint = { key: 'team', value: 'x', effect: 'NoSchedule' as const };
    const after = afterEdit(world, node, (n) => ({
      ...n,
      spec: { ...n.spec, taints: [...(n.spec?.taints ?? []), taint] },
    }));
    world.model.mark(after, 'taint team');
    return `A user taints node ${nameOf(node)}`;
  },

  protectNode: (world, pick, variant) => {
    const node = someNode(world, pick);
    if (!node) return undefined;
    if (variant % 2 === 0) {
      if (node.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined) return undefined;
      const after = afterEdit(world, node, (n) => withAnnotation(n, KARPENTER_DO_NOT_DISRUPT, 'true'));
      world.model.mark(after, 'do-not-disrupt');
      return `A user annotates node ${nameOf(node)} with do-not-disrupt`;
    }
    const labels = { ...node.metadata.labels, [REMOVAL_DISABLED]: 'true' };
    const after = afterEdit(world, node, (n) => ({ ...n, metadata: { ...n.metadata, labels } }));
    world.model.mark(after, 'removal-disabled');
    return `A user labels node ${nameOf(node)} removal-disabled`;
  },

  unprotectNode: (world, pick) => {
    const nodes = world.api.nodes().filter((n) => world.model.marksOf(n).has('do-not-disrupt'));
    const node = at(nodes, pick);
    if (!node || node.metadata.annotations?.[LOCKED_BY] !== undefined) return undefined;
    world.model.unmark(node, 'do-not-disrupt');
    afterEdit(world, node, (n) => withAnnotation(n, KARPENTER_DO_NOT_DISRUPT, undefined));
    return `A user takes do-not-disrupt off node ${nameOf(node)}`;
  },

  protectPod: (world, pick) => {
    const pod = somePod(world, pick);
    if (!pod || world.model.protectedPods.has(pod.metadata.uid ?? '')) return undefined;
    world.cluster.editPod(pod, (p) => withAnnotation(p, KARPENTER_DO_NOT_DISRUPT, 'true'));
    const { resourceVersion, uid = '', name } = world.api.get(PODS, pod.metadata).metadata;
    world.model.protectedPods.set(uid, Number(resourceVersion));
    return `A user annotates pod ${name} on ${pod.spec.nodeName} with do-not-disrupt`;
  },

  unprotectPod: (world, pick) => {
    const pods = world.api
      .pods()
      .filter((p) => controllerOf(p) && world.model.protectedPods.has(p.metadata.uid ?? ''));
    const pod = at(pods, pick);
    if (!pod) return undefined;
    world.cluster.editPod(pod, (p) => withAnnotation(p, KARPENTER_DO_NOT_DISRUPT, undefined));
    world.model.protectedPods.delete(pod.metadata.uid ?? '');
    return `A user takes do-not-disrupt off pod ${pod.metadata.name}`;
  },

  runBarePod: (world, pick) => {
    const node = someNode(world, pick);
    const name = `debug-${world.api.store.version}`;
    if (!node || node.spec?.unschedulable || world.cluster.freeCpu(node) < 100) return undefined;
    const pod = world.api.create(
      PODS,
      typed(PODS, {
        metadata: { name, namespace: NAMESPACE },
        spec: {
          nodeName: nameOf(node),
          tolerations: [{ operator: 'Exists' }],
          containers: [{ name: 'main', resources: { requests: { cpu: '50m' } } }],
        },
      }),
    );
    world.model.protectedPods.set(pod.metadata.uid ?? '', Number(pod.metadata.resourceVersion));
    return `A user runs pod ${name}, which has no controller, on node ${nameOf(node)}`;
  },

  deletePod: (world, pick) => {
    const pod = somePod(world, pick);
    if (!pod) return undefined;
    world.api.delete(PODS, { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' });
    return `A user deletes pod ${pod.metadata.name}`;
  },

  deleteNode: (world, pick) => {
    const node = someNode(world, pick);
    if (!node) return undefined;
    world.api.delete(NODES, { name: nameOf(node) });
    return `A user deletes node ${nameOf(node)}`;
  },

  deleteClaim: (world, pick) => {
    const claim = at(
      world.api.list(NODE_CLAIMS).filter((c) => !c.metadata.deletionTimestamp),
      pick,
    );
    if (!claim) return undefined;
    world.api.delete(NODE_CLAIMS, { name: claim.metadata.name });
    return `A user deletes NodeClaim ${claim.metadata.name}`;
  },

  scale: (world, pick, variant) => {
    const set = at(world.api.list(REPLICA_SETS as Resource<Replicas>), pick);
    const replicas = set?.metadata.labels?.[POD_TEMPLATE_HASH] === 'only-1' ? variant % 2 : variant % 6;
    if (!set || set.spec?.replicas === replicas) return undefined;
    world.api.edit(REPLICA_SETS as Resource<Replicas>, set.metadata, (s) => ({
      ...s,
      spec: { ...s.spec, replicas },
    }));
    return `A user scales ${set.metadata.name} to ${replicas}`;
  },
} satisfies Record<string, Action>;
