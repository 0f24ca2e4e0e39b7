import { isGated, isHeld, withoutHold } from '../api/heldpods.ts';
import { PIN, PIN_GATE, PIN_NODE, PREPARING_TAINT } from '../api/labels.ts';
import { isReady } from '../api/nodes.ts';
import type { Pod } from '../api/objects.ts';
import { isReschedulable } from '../api/pods.ts';
import { disruptionBlockers, isInScope, type NodeFacts, surgesIn } from '../planner/cluster/candidate.ts';
import { clusterOf } from '../planner/cluster/clusterview.ts';
import { choosePin } from '../planner/pinning/pinpolicy.ts';
import { provision } from '../planner/provision.ts';
import { type RebalanceRequest, rebalance } from '../planner/rebalance.ts';
import { fits, type NodeInfo, nodeInfoOf } from '../planner/scheduling/fit.ts';
import { hasLocalVolume } from '../planner/scheduling/volumes.ts';
import { UsageError } from './flags.ts';
import type { Outcome } from './outcome.ts';
import { type Input, requestOf } from './request.ts';

const OWN_TAINTS: ReadonlySet<string> = new Set([PREPARING_TAINT]);

/** How a plan would pin the pod there: as it waits, or, for one that runs, the pod that is made in its place. */
const wayTo = (pod: Pod, node: NodeFacts, view: NodeInfo, at: 'pending' | 'admission'): string => {
  const { way, reason } = choosePin({
    pod,
    node: view,
    isReady: isReady(node.node),
    at,
    ownTaints: OWN_TAINTS,
    gate: PIN_GATE,
  });
  return `pinned by ${way}, because ${reason}`;
};

/** What a held pod waits for; nothing for any other. */
const explainHold = (pod: Pod): readonly string[] => {
  const { [PIN]: pin, [PIN_NODE]: node = 'a node without a name yet' } = pod.metadata.annotations ?? {};
  if (pod.spec.nodeName || !pin) return [];
  if (isGated(pod)) return [`it is held for ${node} by the pin ${pin}`];
  return isHeld(pod)
    ? [`it is tied to ${node} by the pin ${pin}, and kube-scheduler has not bound it yet`]
    : [];
};

const explainPod = (request: RebalanceRequest, name: string): string[] => {
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const [namespace, podName] = name.includes('/') ? name.split('/') : ['default', name];
  const isIt = (each: Pod): boolean =>
    each.metadata.name === podName && (each.metadata.namespace ?? 'default') === namespace;
  const pod = cluster.snapshot.pods.find(isIt);
  if (!pod) throw new UsageError(`Pod ${namespace}/${podName} is not in the cluster.`);
  const { nodeName, ...spec } = withoutHold(pod).spec;
  const free = { ...pod, spec };
  const nodes = cluster.views.map((view) => ({ ...view, pods: view.pods.filter((each) => each !== pod) }));
  const lines = cluster.facts.map((facts, at) => {
    const view = cluster.views[at] as NodeInfo;
    if (view.name === nodeName) {
      const here = nodeInfoOf(
        facts.node,
        facts.pods.filter((each) => each !== pod),
      );
      return `${view.name}: it runs here; made anew by a plan, it is ${wayTo(free, facts, here, 'admission')}`;
    }
    const refused = fits(free, view, { nodes, namespaces: cluster.namespaces, volumes: cluster.volumes });
    if (refused) return `${view.name}: ${refused.message}`;
    return `${view.name}: it fits; ${wayTo(free, facts, view, nodeName ? 'admission' : 'pending')}`;
  });
  if (nodeName) return lines;
  const held = explainHold(pod);
  if (held.length > 0) return [...held, ...lines];
  const alone = {
    ...request.snapshot,
    pods: request.snapshot.pods.filter((each) => each.spec.nodeName || isIt(each)),
  };
  const { plan, unplaced } = provision({ ...request, snapshot: alone });
  const node = plan?.savings.greenNodes?.[0];
  if (unplaced[0]) lines.push(`no node to buy for it: ${unplaced[0].reason}`);
  else if (node) {
    lines.push(`a node to buy for it alone: ${node.instanceType} at ${node.priceHourly} USD/h`);
  }
  return lines;
};

const explainNode = (request: RebalanceRequest, name: string): string[] => {
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const facts = cluster.facts.find((each) => each.node.metadata.name === name);
  if (!facts) throw new UsageError(`Node ${name} is not in the cluster.`);
  if (!isInScope(facts.node, request.scope)) return ['it is not in scope'];
  const reasons = disruptionBlockers(facts, {
    now: request.now,
    constraints: request.constraints ?? {},
    mode: request.aggressive ?? {},
    budgets: cluster.snapshot.podDisruptionBudgets,
    hasLocalVolume: (pod) => hasLocalVolume(pod, cluster.volumes),
    surges: surgesIn(cluster.snapshot.replicaSets, false),
    allowedDisruptions: () => 1,
  });
  if (reasons.length > 0) return reasons.map((reason) => `it may not be replaced: ${reason}`);
  const { plan } = rebalance(request);
  const moves = (plan?.spec.podsToMigrate ?? []).filter((each) => each.srcNode === name);
  const isRemoved = plan?.savings.blueNodes?.some((each) => each.name === name) ?? false;
  return [
    `it may be replaced: ${facts.pods.filter(isReschedulable).length} pods would move`,
    isRemoved ? 'the plan removes it' : 'the plan keeps it',
    ...moves.map((each) => `pod ${each.namespace}/${each.name} goes to ${each.dstNodeClaimName}`),
  ];
};

/** `explain pod|node NAME`: which nodes a pod fits, how it would be pinned there and why, and why not the others; why a node is replaced, kept or left out. */
export const explainCommand = async (input: Input): Promise<Outcome> => {
  const [, what, name] = input.flags.words;
  if ((what !== 'pod' && what !== 'node') || name === undefined) {
    throw new UsageError('explain takes pod NAMESPACE/NAME or node NAME.');
  }
  const lines = (what === 'pod' ? explainPod : explainNode)(await requestOf(input, 'explain'), name);
  return { out: `${lines.join('\n')}\n`, err: [], code: 0 };
};
