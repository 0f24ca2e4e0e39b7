import { DRAINING_EVICTOR, EVICTION_DONE, EVICTION_STATUS, REQUEST_EVICT_ONLY } from '../../../api/labels.ts';
import { isDrainedByPlan } from '../../../api/nodes.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { isDrainable, isEvictable, podName } from '../../../api/pods.ts';
import { areEvictionsPaused } from '../reservation.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf, isKept } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import { nodeBlockers, sentenceOf, WHAT_TO_DO } from './blockers.ts';
import { isBeingMoved } from './destinationroom.ts';
import { drainSince, liveMigrationSteps, withdrawMigrationSteps } from './livemigration.ts';
import { mandatoryPods, type PodsState } from './livemigrationpods.ts';
import { reattachSteps, surgeSteps } from './surge.ts';
import { uncordonSteps } from './undo.ts';

/** The drain of one node, from its cordon to the end of its NodeClaim. */

export interface DrainResult {
  readonly steps: readonly Step[];
  /** True from the first step of the drain until the NodeClaim no longer exists, or is to stay. */
  readonly isDraining: boolean;
  readonly isDone: boolean;
  /** True while other drains and budgets keep this one from beginning. */
  readonly isWaiting?: boolean;
}

const deleteClaimSteps = (state: Pick<ExecutionState, 'nodeClaims'>, claim: string): readonly Step[] => {
  const object = state.nodeClaims.get(claim);
  if (!object || object.metadata.deletionTimestamp) return [];
  return [
    {
      kind: 'delete-claim',
      claim,
      uid: object.metadata.uid ?? '',
      isDrained: true,
      reason: 'NodeClaimDeleted',
      message: `Deleting NodeClaim ${claim}: its node is empty`,
    },
  ];
};

/** Marks a node that the evictor has emptied, for whoever deletes such nodes, then deletes its NodeClaim. */
const removeSteps = (state: ExecutionState, claim: string, node: Node): readonly Step[] => {
  const isHandedOver = node.metadata.labels?.[EVICTION_STATUS] === EVICTION_DONE;
  if (state.plan.spec.drainReason !== DRAINING_EVICTOR || isHandedOver) return deleteClaimSteps(state, claim);
  return [
    {
      kind: 'mark-evicted',
      node: node.metadata.name,
      reason: 'NodeEvicted',
      message: `Node ${node.metadata.name} is empty`,
    },
  ];
};

/** Pods of a node that may be evicted or deleted: all but those that may only be migrated live. */
const evictablePods = (state: PodsState, claim: string): readonly Pod[] => {
  const mandatory = new Set(mandatoryPods(state, claim));
  return (state.pods.get(claim) ?? []).filter((pod) => !mandatory.has(pod));
};

/** Deletes the pods that could not be evicted in time, with their grace period; for plans with aggressiveEviction. */
const forceDeleteSteps = (state: PodsState, claim: string): readonly Step[] =>
  evictablePods(state, claim)
    .filter((pod) => isEvictable(pod) && pod.metadata.annotations?.[REQUEST_EVICT_ONLY] === undefined)
    .map((pod) => ({
      kind: 'delete-pod' as const,
      name: pod.metadata.name,
      namespace: pod.metadata.namespace ?? '',
      uid: pod.metadata.uid ?? '',
      reason: 'PodDeleted',
      message: `Deleting pod ${podName(pod)}, which could not be evicted in time`,
    }));

const timeoutSteps = (
  state: PodsState & Pick<ExecutionState, 'now' | 'limits'>,
  claim: string,
  node: Node,
  since: number,
): readonly Step[] | undefined => {
  const { drainTimeoutMs } = state.limits;
  const overdue = state.now - since - drainTimeoutMs;
  if (overdue <= 0) return undefined;
  const isForced = state.plan.spec.aggressiveMode?.aggressiveEviction ?? false;
  if (isForced && overdue <= drainTimeoutMs) return forceDeleteSteps(state, claim);
  const left = (state.pods.get(claim) ?? []).filter(isDrainable);
  const names = left.slice(0, 3).map(podName).join(', ');
  const more = left.length > 3 ? ` and ${left.length - 3} more` : '';
  const seconds = Math.round((state.now - since) / 1000);
  return [
    {
      kind: 'fail',
      phase: 'Deletion',
      failureReason: 'FailureReasonDrainTimeout',
      reason: 'FailureReasonDrainTimeout',
      message: `Node ${node.metadata.name} was not empty after ${seconds} s: ${names}${more} stayed. Look at their PodDisruptionBudgets and grace periods, or set aggressiveEviction.`,
    },
  ];
};

const isCordoned = (node: Node): boolean => node.spec?.unschedulable === true && isDrainedByPlan(node);

const evictStep = (pod: Pod): Step => ({
  kind: 'evict',
  name: pod.metadata.name,
  namespace: pod.metadata.namespace ?? '',
  uid: pod.metadata.uid ?? '',
  reason: 'PodEvicted',
  message: `Evicting pod ${podName(pod)}`,
});

/** Evicts pods, each after its surge, except those whose PodDisruptionBudget refused it a moment ago. */
export const evictSteps = (state: ExecutionState, pods: readonly Pod[]): readonly Step[] => {
  if (areEvictionsPaused(state)) return [];
  return pods
    .filter((pod) => isEvictable(pod) && !isBeingMoved(pod))
    .filter((pod) => (state.evictionRetryAt.get(pod.metadata.uid ?? '') ?? 0) <= state.now)
    .flatMap((pod) => surgeSteps(state, pod) ?? [evictStep(pod)]);
};

const cordonStep = (node: Node): Step => ({
  kind: 'cordon',
  node: node.metadata.name,
  reason: 'NodeCordoned',
  message: `Cordoning node ${node.metadata.name}`,
});

const beginDrain = (claim: string, node: Node): readonly Step[] => [
  {
    kind: 'record-deletion',
    claim,
    status: 'InProgress',
    description: `draining node ${node.metadata.name}`,
    reason: 'NodeDraining',
    message: `Draining node ${node.metadata.name}`,
  },
  cordonStep(node),
];

const recordRemoval = (claim: string): Step => ({
  kind: 'record-deletion',
  claim,
  status: 'Success',
  description: 'the NodeClaim no longer exists',
  reason: 'NodeRemoved',
  message: `NodeClaim ${claim} is gone`,
});

/** Ends the part of a node that may not be emptied: it and its pods stay, and the plan goes on without it. */
const keepSteps = (claim: string, node: Node, reasons: readonly string[]): readonly Step[] => {
  const description = sentenceOf(reasons);
  return [
    {
      kind: 'keep-node',
      claim,
      node: node.metadata.name,
      description,
      reason: 'NodeKept',
      message: `Node ${node.metadata.name} stays: ${description}. ${WHAT_TO_DO}.`,
    },
  ];
};

/** What is put back on a node that stays: its cordon, its detached pods, an open request to a provider. */
const giveBackSteps = (state: ExecutionState, claim: string, node: Node): readonly Step[] => [
  ...withdrawMigrationSteps(state, { claim, why: 'its node stays' }),
  ...reattachSteps(
    state,
    state.surge.detached.filter((pod) => pod.spec.nodeName === node.metadata.name),
  ),
  ...uncordonSteps(state, [claim]),
];

export const drain = (state: ExecutionState, claim: string, mayBegin: boolean): DrainResult => {
  const draining = (next: readonly Step[]): DrainResult => ({
    steps: next,
    isDraining: true,
    isDone: false,
  });
  const events = deletionEventsOf(state.plan, claim);
  const node = state.nodes.get(claim);
  const object = state.nodeClaims.get(claim);
  if (!object) {
    const isDone = events.at(-1)?.status === 'Success';
    return { steps: isDone ? [] : [recordRemoval(claim)], isDraining: false, isDone };
  }
  if (object.metadata.deletionTimestamp) return draining([]);
  if (!node) return draining(deleteClaimSteps(state, claim));
  if (isKept(state.plan, claim)) {
    const giveBack = giveBackSteps(state, claim, node);
    return { steps: giveBack, isDraining: false, isDone: giveBack.length === 0 };
  }
  if (!mayBegin) return { steps: [], isDraining: false, isDone: false, isWaiting: true };
  const blockers = nodeBlockers(state, claim);
  if (blockers.length > 0) {
    return { steps: keepSteps(claim, node, blockers), isDraining: false, isDone: false };
  }
  if (events.length === 0) return draining(beginDrain(claim, node));
  if (!isCordoned(node)) return draining([cordonStep(node)]);
  // Before the check for an empty node: it may still be sending the memory of its last pod.
  const migrating = liveMigrationSteps(state, claim);
  if (migrating) return draining(migrating);
  if (!(state.pods.get(claim) ?? []).some(isDrainable)) return draining(removeSteps(state, claim, node));
  return draining(
    timeoutSteps(state, claim, node, drainSince(events)) ?? evictSteps(state, evictablePods(state, claim)),
  );
};
