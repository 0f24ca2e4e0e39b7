import type { RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH, INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { hasEnded } from '../../../api/pods.ts';
import { unlockSteps } from '../create/nodelock.ts';
import { reattachSteps } from '../drain/surge.ts';
import { overdueUntaintSteps, releaseSteps } from '../reservation.ts';
import { addedNames, currentClaim } from '../state/claimnames.ts';
import { baselineOf, countPlaced, movesOf } from '../state/moves.ts';
import type { ExecutionState } from '../state/state.ts';
import { reachedAt } from '../state/status.ts';
import { type Decision, type Step, steps } from '../state/step.ts';

const countPods = ({
  plan,
  pods,
}: Pick<ExecutionState, 'plan' | 'pods'>): { planned: number; placed: number } => {
  const moves = movesOf(plan.spec.podsToMigrate ?? [], true);
  const podsOn = (name: string): readonly Pod[] => pods.get(currentClaim(plan, name)) ?? [];
  return {
    planned: moves.reduce((sum, m) => sum + m.names.length, 0),
    placed: countPlaced(moves, baselineOf(plan), podsOn),
  };
};

/** Cost of the added nodes now, and what that saves; a node without a price counts with the planned one. */
const achievedCost = (
  state: Pick<ExecutionState, 'plan' | 'nodeClaims' | 'priceOf' | 'clusterHourly'>,
): NonNullable<RebalancePlanStatus['achievedOutcome']> => {
  const { plan, clusterHourly } = state;
  const before = Number(plan.status?.savings?.currentMonthlyCost);
  if (!(before > 0)) return {};
  const planned = new Map(
    (plan.status?.savings?.greenNodes ?? []).map((green) => [green.name, Number(green.priceHourly)]),
  );
  const hourly = [...addedNames(plan)].reduce((sum, name) => {
    const labels = state.nodeClaims.get(currentClaim(plan, name))?.metadata.labels ?? {};
    const price = state.priceOf(
      labels[INSTANCE_TYPE] ?? '',
      labels[ZONE] ?? '',
      labels[KARPENTER_CAPACITY_TYPE] ?? '',
    );
    return sum + (price ?? planned.get(name) ?? 0);
  }, 0);
  const after = hourly * HOURS_PER_MONTH;
  return {
    monthlyCost: after.toFixed(2),
    savingsPercent: (((before - after) / before) * 100).toFixed(1),
    savingsCostMonthly: (before - after).toFixed(2),
    ...(clusterHourly !== undefined && {
      clusterMonthlyCost: (clusterHourly * HOURS_PER_MONTH).toFixed(2),
    }),
  };
};

/** True when no pod is on its way to the plan's nodes: the pods that it bought them for have all got a node. */
const isNobodyOnTheWay = ({
  plan,
  pods,
  pendingPods,
}: Pick<ExecutionState, 'plan' | 'pods' | 'pendingPods'>): boolean => {
  const moves = plan.spec.podsToMigrate ?? [];
  const isStarting = (pod: Pod): boolean => pod.status?.phase !== 'Running' && !hasEnded(pod);
  return (
    moves.every(({ srcNode }) => !srcNode) &&
    pendingPods.length === 0 &&
    moves.every((m) => !(pods.get(currentClaim(plan, m.dstNodeClaimName)) ?? []).some(isStarting))
  );
};

/**
 * The end of a plan: it waits for its pods, reattaches pods that it detached and could not evict, releases its nodes,
 * unlocks the others and records the outcome.
 */
export const decideFinish = (state: ExecutionState): Decision => {
  const { planned, placed } = countPods(state);
  const since = reachedAt(state.plan, 'NodesDeleted') ?? state.now;
  const isLate = state.now - since > state.limits.settleTimeoutMs;
  if (placed < planned && !isLate && !isNobodyOnTheWay(state)) return steps(...overdueUntaintSteps(state));
  const next = [...reattachSteps(state), ...releaseSteps(state), ...unlockSteps(state)];
  if (next.length > 0) return steps(...next);
  const missed = planned - placed;
  const warnings = state.plan.status?.warnings?.length ?? 0;
  const warn: Step = {
    kind: 'warn',
    reason: 'PodsElsewhere',
    message: `${missed} of ${planned} pods do not run where the plan put them`,
  };
  return steps(...(missed > 0 ? [warn] : []), {
    kind: 'finish',
    state: missed > 0 || warnings > 0 ? 'DoneWithWarnings' : 'Done',
    outcome: { podsPlanned: planned, podsPlaced: placed, ...achievedCost(state) },
    reason: 'PlanDone',
    message: `The plan is done: ${placed} of ${planned} pods run where it put them`,
  });
};
