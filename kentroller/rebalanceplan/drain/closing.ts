import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, DRAINING } from '../../../api/labels.ts';
import { isReady } from '../../../api/nodes.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { controllerOf, isLive } from '../../../api/pods.ts';
import { overdueUntaintSteps } from '../reservation.ts';
import { DRAINING_REBALANCING } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf, deletionEventsOf, hasReached } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import { nodeBlockers } from './blockers.ts';
import { uncordonSteps } from './undo.ts';

/**
 * Nodes that are to go are closed to new pods from the moment when their first replacement is ready: what comes later
 * would have to leave again, or keeps the node. See docs/designs/0021-judged-again.md.
 */

/** Nodes some of whose pods go to an added node that is ready, by name. */
const replacedNodes = (plan: RebalancePlan): ReadonlySet<string> => {
  const ready = new Set(
    (plan.spec.nodeClaimsToAdd ?? [])
      .map((planned) => planned.metadata.name)
      .filter((name) => attemptsOf(plan, name).at(-1)?.status === 'Success'),
  );
  return new Set(
    (plan.spec.podsToMigrate ?? []).flatMap(({ srcNode, dstNodeClaimName }) =>
      srcNode && ready.has(dstNodeClaimName) ? [srcNode] : [],
    ),
  );
};

/** True for a node that the plan has closed to new pods and whose drain has not begun. */
const isClosed = (plan: RebalancePlan, node: Node): boolean =>
  isMarkedBy(plan, node, CORDONED_BY) && node.metadata.labels?.[DRAINING] !== DRAINING_REBALANCING;

const closeStep = (node: Node, isReplaced: boolean): Step => ({
  kind: 'close',
  node: node.metadata.name,
  reason: 'NodeClosed',
  message: `Closing node ${node.metadata.name} to new pods: ${isReplaced ? 'its replacement is ready' : 'it is going to be drained'}`,
});

/** Closes the nodes whose replacement is ready, and opens those that have lost it; `claims` are not drained yet. */
export const closingSteps = (
  state: ExecutionState,
  claims: readonly string[] = (state.plan.spec.nodeClaimsToDelete ?? []).map((c) => c.nodeClaimName),
): readonly Step[] => {
  const { plan, nodes, nodeClaims } = state;
  const replaced = replacedNodes(plan);
  return claims.flatMap((claim): readonly Step[] => {
    const node = nodes.get(claim);
    const isGoing = nodeClaims.get(claim)?.metadata.deletionTimestamp !== undefined;
    if (!node || isGoing || deletionEventsOf(plan, claim).length > 0) return [];
    const isReplaced = replaced.has(node.metadata.name);
    if (!isReplaced && !hasReached(plan, 'PinsReady'))
      return isClosed(plan, node) ? uncordonSteps(state, [claim]) : [];
    if (node.spec?.unschedulable === true || nodeBlockers(state, claim).length > 0) return [];
    return [closeStep(node, isReplaced)];
  });
};

/** Pods without a node that take the place of pods which left closed nodes; not those that are one more than before. */
const displacedPods = ({ plan, nodes, pods, unscheduledPods }: ExecutionState): readonly Pod[] => {
  const missing = new Map<string, number>();
  const count = (uid: string | undefined, by: number): void => {
    if (uid !== undefined) missing.set(uid, (missing.get(uid) ?? 0) + by);
  };
  const closed = new Set<string>();
  for (const { nodeClaimName } of plan.spec.nodeClaimsToDelete ?? []) {
    const node = nodes.get(nodeClaimName);
    if (!node || !isClosed(plan, node)) continue;
    closed.add(node.metadata.name);
    for (const pod of (pods.get(nodeClaimName) ?? []).filter(isLive)) count(controllerOf(pod)?.uid, -1);
  }
  for (const { srcNode, owner } of plan.spec.podsToMigrate ?? []) {
    if (srcNode && closed.has(srcNode)) count(owner?.uid, 1);
  }
  return unscheduledPods.filter((pod) => (missing.get(controllerOf(pod)?.uid ?? '') ?? 0) > 0);
};

/**
 * Opens the added nodes that are ready to kube-scheduler when a pod that left a closed node got no pin in time: the room
 * that was bought for it is there.
 */
export const displacedPodSteps = (state: ExecutionState): readonly Step[] => {
  const displaced = displacedPods(state);
  if (displaced.length === 0) return [];
  const nodes = new Map([...state.nodes].filter(([, node]) => isReady(node)));
  return overdueUntaintSteps({ ...state, nodes, unscheduledPods: displaced });
};
