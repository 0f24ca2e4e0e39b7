import { withoutHold } from '../../api/heldpods.ts';
import type { NodeClaimToAdd, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import {
  HOSTNAME,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_INITIALIZED,
  OS,
  ZONE,
} from '../../api/labels.ts';
import type { Node, NodePool, Pod } from '../../api/objects.ts';
import { hasEnded } from '../../api/pods.ts';
import { amount, formatBytes } from '../../api/quantity.ts';
import type { Catalogue, InstanceType, Offering } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type ClusterView, fits, type NodeInfo, nodeInfoOf } from '../scheduling/fit.ts';
import { meets } from '../scheduling/nodeaffinity.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import { volumesOf } from '../scheduling/volumes.ts';

/**
 * Checks a finished plan against the snapshot that it was made from, with nothing of what made it: objects alone and
 * `fits`. Returns one sentence for each fault; none when the plan can be carried out.
 */
export const verifyPlan = (snapshot: Snapshot, catalogue: Catalogue, spec: RebalancePlanSpec): string[] => {
  const faults: string[] = [];
  const types = new Map(catalogue.instanceTypes.map((type) => [type.name, type]));
  const pools = new Map(snapshot.nodePools.map((pool) => [pool.metadata.name, pool]));
  const nodeOfClaim = new Map(
    snapshot.nodeClaims.flatMap((claim) =>
      claim.status?.nodeName ? [[claim.metadata.name, claim.status.nodeName] as const] : [],
    ),
  );
  const deleted = new Set(
    (spec.nodeClaimsToDelete ?? []).map((each) => nodeOfClaim.get(each.nodeClaimName) ?? ''),
  );
  if (deleted.has('')) faults.push('The plan deletes a NodeClaim that is not in the snapshot.');

  // Where every pod is once the plan is done.
  const live = snapshot.pods.filter((pod) => !hasEnded(pod)).map(withoutHold);
  const byName = new Map(
    live.map((pod) => [`${pod.metadata.namespace ?? 'default'}/${pod.metadata.name}`, pod]),
  );
  const placeOf = new Map<Pod, string>();
  for (const move of spec.podsToMigrate ?? []) {
    const name = `${move.namespace}/${move.name}`;
    const pod = byName.get(name);
    if (!pod) faults.push(`The plan moves pod ${name}, which is not in the snapshot.`);
    else if (placeOf.has(pod)) faults.push(`The plan moves pod ${name} twice.`);
    else if ((move.srcNode ?? '') !== (pod.spec.nodeName ?? ''))
      faults.push(`Pod ${name} is not on ${move.srcNode}.`);
    else placeOf.set(pod, move.dstNodeClaimName);
  }
  const onNode = new Map<string, Pod[]>();
  for (const pod of live) {
    const from = pod.spec.nodeName;
    const to = placeOf.get(pod);
    const place = to === undefined ? from : (nodeOfClaim.get(to) ?? to);
    const stays = to === undefined && from !== undefined && deleted.has(from);
    const kind = pod.metadata.ownerReferences?.find((each) => each.controller)?.kind;
    if (stays && kind !== 'DaemonSet' && kind !== 'Node' && !pod.metadata.deletionTimestamp) {
      faults.push(`Pod ${pod.metadata.name} is left on ${from}, which the plan removes.`);
    }
    if (place !== undefined) onNode.set(place, [...(onNode.get(place) ?? []), pod]);
  }

  const kept = snapshot.nodes.filter((node) => !deleted.has(node.metadata.name));
  const views: NodeInfo[] = kept.map((node) => nodeInfoOf(node, onNode.get(node.metadata.name) ?? []));
  for (const claim of spec.nodeClaimsToAdd ?? []) {
    const pool = pools.get(claim.metadata.labels?.['karpenter.sh/nodepool'] ?? '');
    if (!pool) {
      faults.push(`Claim ${claim.metadata.name} names no NodePool of the snapshot.`);
      continue;
    }
    const choices = choicesOf(claim, types);
    if (choices.length === 0)
      faults.push(`No offering meets the requirements of claim ${claim.metadata.name}.`);
    const pods = onNode.get(claim.metadata.name) ?? [];
    choices.forEach(({ type, offering }, index) => {
      const node = nodeFor(claim, pool, type, offering);
      for (const requirement of pool.spec.template.spec.requirements) {
        if (!meets(requirement, node.metadata.labels?.[requirement.key])) {
          faults.push(
            `Claim ${claim.metadata.name} with ${type.name} breaks its NodePool's ${requirement.key}.`,
          );
        }
      }
      const view = nodeInfoOf(node, [...pods, ...daemonPods(snapshot, node)]);
      for (const [resource, left] of view.free) {
        if (left < 0)
          faults.push(`Claim ${claim.metadata.name} as ${type.name} lacks ${resource} for its pods.`);
      }
      if (index === 0) views.push(view);
    });
  }
  faults.push(...limitFaults(snapshot, types, spec, deleted));
  const known = new Set(views.map((view) => view.name));
  for (const [pod, to] of placeOf) {
    const place = nodeOfClaim.get(to) ?? to;
    if (!known.has(place)) {
      faults.push(`Pod ${pod.metadata.name} goes to ${to}, which will not be there.`);
      continue;
    }
    const refused = refusal(pod, place, views, snapshot);
    if (refused) faults.push(`Pod ${pod.metadata.name} does not fit ${to}: ${refused}.`);
  }
  return faults;
};

const inList = (claim: NodeClaimToAdd, key: string): readonly string[] =>
  claim.spec.requirements.find((each) => each.key === key && each.operator === 'In')?.values ?? [];

/** Every type and offering that a claim lets the cloud choose: the first type named first, its cheapest offering first. */
const choicesOf = (claim: NodeClaimToAdd, types: ReadonlyMap<string, InstanceType>) =>
  inList(claim, INSTANCE_TYPE).flatMap((name) => {
    const type = types.get(name);
    const offerings = (type?.offerings ?? []).filter(
      (each) =>
        each.available &&
        inList(claim, ZONE).includes(each.zone) &&
        inList(claim, KARPENTER_CAPACITY_TYPE).includes(each.capacityType),
    );
    return offerings
      .sort((a, b) => a.price - b.price)
      .flatMap((offering) => (type ? [{ type, offering }] : []));
  });

const nodeFor = (claim: NodeClaimToAdd, pool: NodePool, type: InstanceType, offering: Offering): Node => {
  const { capacity, overhead } = type;
  const single = claim.spec.requirements.flatMap((each) =>
    each.operator === 'In' && each.values?.length === 1 ? [[each.key, each.values[0] ?? '']] : [],
  );
  const other = Object.entries(capacity.other).map(([resource, value]) => [resource, String(value)]);
  return {
    metadata: {
      name: claim.metadata.name,
      labels: {
        ...type.labels,
        ...claim.metadata.labels,
        ...Object.fromEntries(single),
        [INSTANCE_TYPE]: type.name,
        [ZONE]: offering.zone,
        [KARPENTER_CAPACITY_TYPE]: offering.capacityType,
        [OS]: inList(claim, OS)[0] ?? 'linux',
        [HOSTNAME]: claim.metadata.name,
        [KARPENTER_INITIALIZED]: 'true',
      },
    },
    spec: { taints: pool.spec.template.spec.taints ?? [] },
    status: {
      allocatable: {
        cpu: `${capacity.cpu - overhead.cpu}m`,
        memory: formatBytes(capacity.memory - overhead.memory),
        pods: String(capacity.pods - overhead.pods),
        'ephemeral-storage': formatBytes(capacity.ephemeralStorage - overhead.ephemeralStorage),
        ...Object.fromEntries(other),
      },
    },
  };
};

/** What NodePools are limited to and would have in the end, whichever of its choices the cloud takes for each claim. */
const limitFaults = (
  snapshot: Snapshot,
  types: ReadonlyMap<string, InstanceType>,
  spec: RebalancePlanSpec,
  deleted: ReadonlySet<string>,
): string[] =>
  snapshot.nodePools.flatMap((pool) => {
    const { name } = pool.metadata;
    const claims = (spec.nodeClaimsToAdd ?? []).filter(
      (each) => each.metadata.labels?.['karpenter.sh/nodepool'] === name,
    );
    const limit = pool.spec.limits?.cpu;
    if (limit === undefined || claims.length === 0) return [];
    let cpu = amount('cpu', pool.status?.resources?.cpu ?? '0');
    for (const node of snapshot.nodes) {
      if (!deleted.has(node.metadata.name)) continue;
      if (node.metadata.labels?.['karpenter.sh/nodepool'] !== name) continue;
      cpu -= amount('cpu', node.status?.capacity?.cpu ?? '0');
    }
    for (const claim of claims) {
      cpu += Math.max(...choicesOf(claim, types).map((choice) => choice.type.capacity.cpu));
    }
    return cpu > amount('cpu', limit) ? [`NodePool ${name} would have ${cpu}m CPU of at most ${limit}.`] : [];
  });

/** Pods that DaemonSets will put on a node to come. */
const daemonPods = (snapshot: Snapshot, node: Node): Pod[] =>
  snapshot.daemonSets.flatMap((set) => {
    const pod: Pod = {
      metadata: {
        name: `${set.metadata.name}-on-${node.metadata.name}`,
        namespace: set.metadata.namespace ?? 'default',
        labels: set.spec.template.metadata?.labels ?? {},
      },
      spec: set.spec.template.spec,
    };
    const lone = nodeInfoOf(node, []);
    const lets = untoleratedTaint(lone.taints, pod.spec.tolerations) === undefined;
    return lets &&
      fits(pod, { ...lone, free: new Map([...lone.free].map(([r]) => [r, Number.MAX_SAFE_INTEGER])) }) ===
        undefined
      ? [pod]
      : [];
  });

/** Asks `fits` about a pod where it ends, as if it were the last to come. */
const refusal = (pod: Pod, place: string, views: readonly NodeInfo[], snapshot: Snapshot): string | null => {
  const { nodeName: _, ...spec } = pod.spec;
  const free: Pod = { ...pod, spec };
  const without = views.map((view) => {
    if (view.name !== place) return view;
    const pods = view.pods.filter((other) => other !== pod);
    const alone = nodeInfoOf({ metadata: { name: 'none' }, status: {} }, [pod]);
    const left = new Map(view.free);
    for (const [resource, taken] of alone.free) left.set(resource, (left.get(resource) ?? 0) - taken);
    return { ...view, pods, free: left };
  });
  const cluster: ClusterView = {
    nodes: without,
    volumes: volumesOf(snapshot),
    namespaces: new Map(snapshot.namespaces.map((each) => [each.metadata.name, each.metadata.labels ?? {}])),
  };
  const node = without.find((view) => view.name === place);
  return node ? (fits(free, node, cluster)?.message ?? null) : 'its node is not there';
};
