import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import type { PodToMigrate, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY } from '../../../api/labels.ts';
import { isDrainedByPlan, isReady } from '../../../api/nodes.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { deletedClaims, destinationOf, givesSlotsOn, isAddedNodeReady } from '../../../api/plans.ts';
import { controllerKey, controllerOf, isLive, podName } from '../../../api/pods.ts';
import { untaintSteps, untaintStepsFor } from '../reservation.ts';
import { addedNames } from '../state/claimnames.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf, hasReached } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import { nodeBlockers } from './blockers.ts';
import { uncordonSteps } from './undo.ts';

/**
 * Nodes that are to go are closed to new pods from the moment when their first replacement is ready: what comes later
 * would have to leave again, or keeps the node. See docs/designs/0021-judged-again.md.
 */

/** Nodes some of whose pods go to an added node that is ready, by name. */
const replacedNodes = (plan: RebalancePlan): ReadonlySet<string> => {
  const ready = new Set([...addedNames(plan)].filter((name) => isAddedNodeReady(plan, name)));
  return new Set(
    (plan.spec.podsToMigrate ?? []).flatMap((move) =>
      move.srcNode && ready.has(destinationOf(move)) ? [move.srcNode] : [],
    ),
  );
};

/** True for a node that the plan has closed to new pods and whose drain has not begun. */
const isClosed = (plan: RebalancePlan, node: Node): boolean =>
  isMarkedBy(plan, node, CORDONED_BY) && !isDrainedByPlan(node);

const closeStep = (node: Node, isReplaced: boolean): Step => ({
  kind: 'close',
  node: node.metadata.name,
  reason: 'NodeClosed',
  message: `Closing node ${node.metadata.name} to new pods: ${isReplaced ? 'its replacement is ready' : 'it is going to be drained'}`,
});

/** Closes the nodes whose replacement is ready, and opens those that have lost it; `claims` are not drained yet. */
export const closingSteps = (
  state: ExecutionState,
  claims: readonly string[] = deletedClaims(state.plan.spec),
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

/** The key of an owner of moved pods; pods without one share a key. */
const ownerOf = (owner: PodToMigrate['owner'], namespace: string | undefined): string =>
  owner ? controllerKey(owner, namespace ?? '') : '';

/**
 * The moves off closed nodes whose pod has left, of owners that have fewer pods there than planned: a pod that was made
 * anew on its node before that was closed has not left.
 */
const departures = ({ plan, nodes, pods }: ExecutionState): readonly PodToMigrate[] => {
  const there = new Map<string, ReadonlySet<string>>();
  const missing = new Map<string, number>();
  const count = (owner: string, by: number): void => void missing.set(owner, (missing.get(owner) ?? 0) + by);
  for (const { nodeClaimName } of plan.spec.nodeClaimsToDelete ?? []) {
    const node = nodes.get(nodeClaimName);
    if (!node || !isClosed(plan, node)) continue;
    const live = (pods.get(nodeClaimName) ?? []).filter(isLive);
    there.set(node.metadata.name, new Set(live.map(podName)));
    for (const pod of live) count(ownerOf(controllerOf(pod), pod.metadata.namespace), -1);
  }
  const moves = (plan.spec.podsToMigrate ?? []).filter(({ srcNode }) => there.has(srcNode ?? ''));
  for (const { owner, namespace } of moves) count(ownerOf(owner, namespace), 1);
  return moves.filter(
    ({ srcNode, namespace, name, owner }) =>
      (missing.get(ownerOf(owner, namespace)) ?? 0) > 0 &&
      !there.get(srcNode ?? '')?.has(`${namespace}/${name}`),
  );
};

/**
 * Opens the added nodes that are ready to kube-scheduler when a pod that left a closed node has no slot, or got no pin
 * in time: the room that was bought is there. A pod that is one more than before, of a scale-up, opens none.
 */
export const displacedPodSteps = (state: ExecutionState): readonly Step[] => {
  const { plan, unscheduledPods } = state;
  if (unscheduledPods.length === 0) return [];
  const left = departures(state);
  const ownersOf = (moves: readonly PodToMigrate[]): ReadonlySet<string> =>
    new Set(moves.map(({ owner, namespace }) => ownerOf(owner, namespace)));
  const isOf = (owners: ReadonlySet<string>, pod: Pod): boolean => {
    const owner = controllerOf(pod);
    return owner !== undefined && owners.has(ownerOf(owner, pod.metadata.namespace));
  };
  const owners = ownersOf(left);
  const displaced = unscheduledPods.filter((pod) => isOf(owners, pod));
  if (displaced.length === 0) return [];
  const ready = { ...state, nodes: new Map([...state.nodes].filter(([, node]) => isReady(node))) };
  const slotless = ownersOf(left.filter((move) => !givesSlotsOn(plan, destinationOf(move))));
  if (displaced.some((pod) => isOf(slotless, pod))) return untaintSteps(ready);
  return untaintStepsFor(ready, displaced);
};
