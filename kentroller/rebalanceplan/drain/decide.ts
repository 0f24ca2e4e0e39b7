import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import { DRAINING, KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { isDrainable, isReschedulable, podName } from '../../../api/pods.ts';
import { allowedDisruptions } from '../../../planner/cluster/disruptionbudget.ts';
import { areEvictionsPaused } from '../reservation.ts';
import { CORDONED_BY, DRAINING_REBALANCING } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf } from '../state/status.ts';
import { type Decision, LOOK_AGAIN_MS, type Step, steps } from '../state/step.ts';
import { drainSince, liveMigrationSteps } from './livemigration.ts';
import { mandatoryPods, type PodsState } from './livemigrationpods.ts';
import { pendingPodsOnKeptNodes } from './podsonkeptnodes.ts';
import { reattachSteps, surgeSteps } from './surge.ts';

const SOON_MS = 250;

interface DrainResult {
  readonly steps: readonly Step[];
  /** True from the first step of the drain until the NodeClaim no longer exists. */
  readonly isDraining: boolean;
  readonly isDone: boolean;
}

const deleteClaimSteps = (state: Pick<ExecutionState, 'nodeClaims'>, claim: string): readonly Step[] => {
  const object = state.nodeClaims.get(claim);
  if (!object || object.metadata.deletionTimestamp) return [];
  return [
    {
      kind: 'delete-claim',
      claim,
      uid: object.metadata.uid ?? '',
      reason: 'NodeClaimDeleted',
      message: `Deleting NodeClaim ${claim}: its node is empty`,
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
    .filter(isReschedulable)
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

const isCordoned = (node: Node): boolean =>
  node.spec?.unschedulable === true && node.metadata.labels?.[DRAINING] === DRAINING_REBALANCING;

const evictStep = (pod: Pod): Step => ({
  kind: 'evict',
  name: pod.metadata.name,
  namespace: pod.metadata.namespace ?? '',
  uid: pod.metadata.uid ?? '',
  reason: 'PodEvicted',
  message: `Evicting pod ${podName(pod)}`,
});

/** Evicts pods, each after its surge, except those whose PodDisruptionBudget refused it a moment ago. */
const evictSteps = (state: ExecutionState, pods: readonly Pod[]): readonly Step[] => {
  if (areEvictionsPaused(state)) return [];
  return pods
    .filter(isReschedulable)
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

const drain = (state: ExecutionState, claim: string, mayBegin: boolean): DrainResult => {
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
  if (events.length === 0) {
    return mayBegin ? draining(beginDrain(claim, node)) : { steps: [], isDraining: false, isDone: false };
  }
  if (!isCordoned(node)) return draining([cordonStep(node)]);
  // Before the check for an empty node: it may still be sending the memory of its last pod.
  const migrating = liveMigrationSteps(state, claim);
  if (migrating) return draining(migrating);
  if (!(state.pods.get(claim) ?? []).some(isDrainable)) return draining(deleteClaimSteps(state, claim));
  return draining(
    timeoutSteps(state, claim, node, drainSince(events)) ?? evictSteps(state, evictablePods(state, claim)),
  );
};

const poolOf = ({ nodeClaims }: Pick<ExecutionState, 'nodeClaims'>, claim: string): string =>
  nodeClaims.get(claim)?.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';

type BudgetState = Pick<ExecutionState, 'plan' | 'nodeClaims' | 'nodePools' | 'poolNodes' | 'now'>;

/** Number of nodes of each NodePool whose drain may begin now. */
export const budgetsOf = ({ plan, nodePools, poolNodes, now }: BudgetState): Map<string, number> => {
  const ignoresZero = plan.spec.aggressiveMode?.ignoreZeroNodePoolDisruptionBudgets ?? false;
  return new Map(
    [...nodePools].map(([name, pool]) => [
      name,
      allowedDisruptions(pool, poolNodes.get(name) ?? { total: 0, disrupted: 0 }, now, ignoresZero),
    ]),
  );
};

/** The disruption budgets of the NodePools that lose nodes, for the status of the plan at its start. */
export const poolBudgets = (state: BudgetState): { nodePoolName: string; allowedDisruptions: number }[] => {
  const losing = (state.plan.spec.nodeClaimsToDelete ?? []).map((c) => poolOf(state, c.nodeClaimName));
  return [...budgetsOf(state)]
    .filter(([name]) => losing.includes(name))
    .map(([nodePoolName, allowed]) => ({ nodePoolName, allowedDisruptions: allowed }));
};

/** Drains the plan's nodes, no more at once than maxSimultaneousDrains and each NodePool's budget allow. */
const drainNodes = (
  state: ExecutionState,
  claims: readonly string[],
  mayBeginAny: boolean,
): readonly DrainResult[] => {
  const hasBegun = (claim: string): boolean =>
    deletionEventsOf(state.plan, claim).length > 0 && state.nodeClaims.has(claim);
  let room = mayBeginAny ? state.limits.maxSimultaneousDrains - claims.filter(hasBegun).length : 0;
  const budgets = budgetsOf(state);
  return claims.map((claim) => {
    const pool = poolOf(state, claim);
    const budget = budgets.get(pool) ?? Number.POSITIVE_INFINITY;
    const result = drain(state, claim, hasBegun(claim) || (room > 0 && budget > 0));
    if (!hasBegun(claim) && result.isDraining) {
      room -= 1;
      budgets.set(pool, budget - 1);
    }
    return result;
  });
};

/**
 * The deletion phase. Pods on kept nodes are evicted before any drain begins, since other pods get their room; those
 * that could not be evicted in time are reattached and stay.
 */
export const drainAndDelete = (state: ExecutionState): Decision => {
  const claims = (state.plan.spec.nodeClaimsToDelete ?? []).map((c) => c.nodeClaimName);
  const pending = pendingPodsOnKeptNodes(state);
  const staying = state.podsOnKeptNodes.filter((pod) => !pending.includes(pod));
  const results = drainNodes(state, claims, pending.length === 0);
  const next = [
    ...reattachSteps(state, staying),
    ...evictSteps(state, pending),
    ...results.flatMap((r) => r.steps),
  ];
  const failure = next.find((s) => s.kind === 'fail');
  if (failure) return steps(failure);
  if (next.length > 0 || pending.length > 0 || results.some((r) => !r.isDone))
    return { steps: next, againAfterMs: lookAgainAfter(state) };
  return steps({
    kind: 'advance',
    phase: 'NodesDeleted',
    reason: 'NodesRemoved',
    message:
      claims.length === 0
        ? 'The plan removes no nodes'
        : `All ${claims.length} nodes that the plan removes are gone`,
  });
};

const lookAgainAfter = ({
  evictionRetryAt,
  unscheduledPods,
  pins,
  now,
}: Pick<ExecutionState, 'evictionRetryAt' | 'unscheduledPods' | 'pins' | 'now'>): number => {
  const retries = [...evictionRetryAt.values()].filter((at) => at > now);
  // No watch reports that the pinner connects or leaves.
  const soon = unscheduledPods.length > 0 || !pins.connected ? SOON_MS : LOOK_AGAIN_MS;
  return Math.min(soon, ...retries.map((at) => at - now));
};

/** Records why nodes stay whose drain had begun when the plan failed. */
export const abandonedDrainSteps = ({
  plan,
  nodeClaims,
}: Pick<ExecutionState, 'plan' | 'nodeClaims'>): readonly Step[] =>
  (plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }): Step[] => {
    const claim = nodeClaims.get(nodeClaimName);
    if (!claim || claim.metadata.deletionTimestamp) return [];
    const last = deletionEventsOf(plan, nodeClaimName).at(-1)?.status;
    if (!last || last === 'Success' || last === 'Failed') return [];
    const description = plan.status?.failureMessage ?? 'the plan failed';
    return [
      {
        kind: 'record-deletion',
        claim: nodeClaimName,
        status: 'Failed',
        description,
        reason: 'NodeKept',
        message: `NodeClaim ${nodeClaimName} stays: ${description}`,
      },
    ];
  });

/** Uncordons the nodes that this plan cordoned. */
export const uncordonSteps = ({
  plan,
  nodes,
  pods,
}: Pick<ExecutionState, 'plan' | 'nodes' | 'pods'>): readonly Step[] =>
  (plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }): Step[] => {
    const node = nodes.get(nodeClaimName);
    if (!node || !isMarkedBy(plan, node, CORDONED_BY)) return [];
    return [
      {
        kind: 'uncordon',
        node: node.metadata.name,
        drainFailed: (pods.get(nodeClaimName) ?? []).some(isDrainable),
        reason: 'NodeUncordoned',
        message: `Uncordoning node ${node.metadata.name}`,
      },
    ];
  });
