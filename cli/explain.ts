import { isGated, isHeld, withoutHold } from '../api/heldpods.ts';
import { PIN, PIN_GATE, PIN_NODE, PREPARING_TAINT, REMOVAL_TAINT } from '../api/labels.ts';
import { healthOf, isReady } from '../api/nodes.ts';
import type { Pod } from '../api/objects.ts';
import { destinationName, destinationOf } from '../api/plans.ts';
import { isReschedulable, podName } from '../api/pods.ts';
import { isOpen } from '../api/reservation.ts';
import { printable } from '../api/text/printable.ts';
import type { Blocker } from '../planner/cluster/blocker.ts';
import { disruptionBlockers, isInScope, type StateNode } from '../planner/cluster/candidate.ts';
import { clusterOf } from '../planner/cluster/clusterview.ts';
import { createSurgeCheck } from '../planner/cluster/evictionblocker.ts';
import { choosePin } from '../planner/pinning/pinpolicy.ts';
import { provision } from '../planner/provision.ts';
import type { RebalanceRequest } from '../planner/rebalance.ts';
import { fits, type NodeInfo, nodeInfoOf } from '../planner/scheduling/fit.ts';
import { allPartedHolders } from '../planner/scheduling/volumes/shared.ts';
import { hasLocalVolume } from '../planner/scheduling/volumes.ts';
import { rebalanceWithScoped } from '../planner/scopedparts.ts';
import { clusterNodesOf } from './clusternodes.ts';
import { UsageError } from './flags.ts';
import type { Outcome } from './outcome.ts';
import { linesAlike } from './report/alike.ts';
import { listed } from './report/listed.ts';
import { type Input, requestOf } from './request.ts';

const OWN_TAINTS: ReadonlySet<string> = new Set([PREPARING_TAINT, REMOVAL_TAINT]);

/** How a plan would pin the pod to a node; `at` is admission for the replacement of a running pod. */
const explainPin = (pod: Pod, node: StateNode, view: NodeInfo, at: 'pending' | 'admission'): string => {
  const { way, reason } = choosePin({
    pod,
    node: view,
    isReady: isReady(node.node),
    health: healthOf(node.node),
    isOpen: isOpen(node.node),
    at,
    ownTaints: OWN_TAINTS,
    gate: PIN_GATE,
  });
  return `would ${way === 'leave' ? 'not be pinned' : `be pinned by ${way}`}, because ${reason}`;
};

/** The node that a held pod waits for; empty for other pods. */
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
  const id = name.includes('/') ? name : `default/${name}`;
  const pod = cluster.snapshot.pods.find((each) => podName(each) === id);
  if (!pod) throw new UsageError(`Pod ${id} is not in the cluster.`);
  const { nodeName, ...spec } = withoutHold(pod).spec;
  const unbound = { ...pod, spec };
  const nodes = cluster.views.map((view) => ({ ...view, pods: view.pods.filter((each) => each !== pod) }));
  const said = clusterNodesOf(cluster).map(({ facts, view }) => {
    const { name } = view;
    if (view.name === nodeName) {
      const withoutPod = nodeInfoOf(
        facts.node,
        facts.pods.filter((each) => each !== pod),
      );
      const pin = explainPin(unbound, facts, withoutPod, 'admission');
      return { name, text: `it runs here; its replacement ${pin}` };
    }
    const refused = fits(unbound, view, { nodes, namespaces: cluster.namespaces, volumes: cluster.volumes });
    if (refused) return { name, text: refused.message };
    const pin = explainPin(unbound, facts, view, nodeName ? 'admission' : 'pending');
    return { name, text: `it fits; it ${pin}` };
  });
  const here = said.filter(({ name }) => name === nodeName);
  const lines = [...linesAlike([...here, ...said.filter((each) => !here.includes(each))], 'nodes')];
  if (nodeName) return lines;
  const held = explainHold(pod);
  if (held.length > 0) return [...held, ...lines];
  const withoutOthersPending = {
    ...request.snapshot,
    pods: request.snapshot.pods.filter((each) => each.spec.nodeName || podName(each) === id),
  };
  const { plan, unplaced } = provision({ ...request, snapshot: withoutOthersPending });
  const node = plan?.savings.greenNodes?.[0];
  if (unplaced[0]) lines.push(`no new node for it: ${unplaced[0].reason}`);
  else if (node) {
    lines.push(`cheapest new node for it alone: ${node.instanceType} at ${node.priceHourly} USD per hour`);
  }
  return lines;
};

/** Blockers in lines; those of several pods with one cause in one line. */
const blockerLines = (blockers: readonly Blocker[]): string[] =>
  [...Map.groupBy(blockers, ({ cause }) => cause)].map(([cause, group]) => {
    const pods = group.flatMap(({ pod }) => pod ?? []);
    const said = group.length === 1 ? group[0]?.message : `${cause}: ${pods.length} pods (${listed(pods)})`;
    return `it may not be replaced: ${said}`;
  });

const explainNode = (request: RebalanceRequest, name: string): string[] => {
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const facts = cluster.facts.find((each) => each.node.metadata.name === name);
  if (!facts) throw new UsageError(`Node ${name} is not in the cluster.`);
  if (!isInScope(facts.node, request.scope)) return ['it is not in scope'];
  const holders = allPartedHolders(cluster.snapshot.pods, cluster.volumes);
  const blockers = disruptionBlockers(facts, {
    now: request.now,
    constraints: request.constraints ?? {},
    mode: request.aggressive ?? {},
    budgets: cluster.snapshot.podDisruptionBudgets,
    hasLocalVolume: (pod) => hasLocalVolume(pod, cluster.volumes),
    willSurge: createSurgeCheck(cluster.snapshot.replicaSets, false),
    waitsForVolumeOf: (pod) => holders.get(pod),
    allowedDisruptions: () => 1,
  });
  if (blockers.length > 0) return blockerLines(blockers);
  const { plan, warnings = [] } = rebalanceWithScoped(request);
  const moves = (plan?.spec.podsToMigrate ?? []).filter((move) => move.srcNode === name);
  const isRemoved = plan?.savings.blueNodes?.some((each) => each.name === name) ?? false;
  return [
    `it may be replaced: ${facts.pods.filter(isReschedulable).length} pods would move`,
    isRemoved ? 'the plan removes it' : 'the plan keeps it',
    ...linesAlike(
      moves.map((move) => ({
        name: `pod ${move.namespace}/${move.name}`,
        text: `moves to ${destinationName(destinationOf(move))}`,
      })),
      'pods',
    ),
    ...warnings,
  ];
};

/** `explain pod|node NAME`: prints where a pod fits and how it is pinned, or why a node is replaced or not. Throws UsageError. */
export const explainCommand = async (input: Input): Promise<Outcome> => {
  const [, what, name] = input.flags.words;
  if ((what !== 'pod' && what !== 'node') || name === undefined) {
    throw new UsageError('Use explain pod NAMESPACE/NAME or explain node NAME.');
  }
  const lines = (what === 'pod' ? explainPod : explainNode)(await requestOf(input, 'explain'), name);
  return { out: `${lines.map(printable).join('\n')}\n`, err: [], code: 0 };
};
