import type { RebalancePlan, RebalancePlanSpec, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { isDrainable, isReschedulable } from '../../api/pods.ts';
import { type Catalogue, sellingOnly } from '../../planner/model/catalogue.ts';
import { PlanningError } from '../rebalanceplanclaim/plannerworker.ts';
import type { savingsOfAll } from '../rebalanceplanclaim/planparts.ts';
import type { ContinuousSettings } from './settings.ts';

/** Label of the plans that the continuous cycle creates, with the value CONTINUOUS. */
export const MADE_BY = 'autoscaling.cast.ai/made-by';
export const CONTINUOUS = 'continuous-rebalancing';

const MAX_BACKOFF_MS = 24 * 3_600_000;

/** The cluster that a cycle decides from. `now` in milliseconds since 1970. */
export interface CycleState {
  readonly plans: readonly RebalancePlan[];
  readonly nodes: readonly Node[];
  readonly now: number;
}

const isOurs = (plan: RebalancePlan): boolean => plan.metadata.labels?.[MADE_BY] === CONTINUOUS;
const endOf = (plan: RebalancePlan): number => Date.parse(plan.status?.completionTime ?? '') || 0;

/**
 * End of the backoff after failed plans, in milliseconds since 1970; 0 when the last plan did not fail. Derived from the
 * plans, so that a restart does not shorten it.
 */
export const backoffUntil = (plans: readonly RebalancePlan[], backoffMs: number): number => {
  const newestFirst = plans.filter((p) => isOurs(p) && isFinished(p)).toSorted((a, b) => endOf(b) - endOf(a));
  const [latest] = newestFirst;
  if (latest?.status?.state !== 'Failed') return 0;
  const successAt = newestFirst.findIndex((plan) => plan.status?.state !== 'Failed');
  const failures = successAt < 0 ? newestFirst.length : successAt;
  return endOf(latest) + Math.min(backoffMs * 2 ** (failures - 1), MAX_BACKOFF_MS);
};

/**
 * Milliseconds to wait after `failures` failed cycles in a row. A failed planner backs off like a failed plan; other
 * errors, such as an API server that is down, are retried from the polling period up.
 */
export const backoffAfter = (
  failures: number,
  backoffMs: number,
  error: unknown,
  pollingPeriodMs: number,
): number => {
  const doubled = 2 ** Math.min(failures - 1, 30);
  return error instanceof PlanningError
    ? Math.min(backoffMs * doubled, MAX_BACKOFF_MS)
    : Math.min(pollingPeriodMs * doubled, Math.max(backoffMs, pollingPeriodMs));
};

/** The reason why this cycle searches for no plan; undefined when it does. */
export const skipReason = (settings: ContinuousSettings, s: CycleState): string | undefined => {
  if (!settings.enabled) return 'continuous rebalancing is not enabled';
  const unfinished = s.plans.find((plan) => plan.spec.execute && !isFinished(plan));
  if (unfinished) return `plan ${unfinished.metadata.name} has not finished`;
  const until = backoffUntil(s.plans, settings.failureBackoffMs);
  if (until > s.now) return `backing off until ${new Date(until).toISOString()} after a failed plan`;
  const old = s.nodes.filter(
    (node) => s.now - Date.parse(node.metadata.creationTimestamp ?? '') >= settings.minNodeAgeMs,
  );
  if (old.length < settings.minNodes) {
    return `only ${old.length} nodes are old enough, ${settings.minNodes} are needed`;
  }
  return undefined;
};

/** The threshold that a plan's savings miss; undefined when they meet both. */
export const belowThreshold = (
  settings: ContinuousSettings,
  savings: ReturnType<typeof savingsOfAll>,
): string | undefined => {
  const percent = Number(savings.projectedSavingsPercent);
  const monthly = Number(savings.projectedSavingsCostMonthly);
  if (percent < settings.thresholdPercent) {
    return `it saves ${percent} %, less than ${settings.thresholdPercent} %`;
  }
  if (monthly < settings.thresholdMonthly) {
    return `it saves ${monthly.toFixed(2)} USD a month, less than ${settings.thresholdMonthly}`;
  }
  return undefined;
};

/**
 * What a plan must still save once its nodes are there: the thresholds that all plans of its cycle were stored for, in
 * percent of their nodes, and no more than it projects itself.
 */
export const executionPolicyOf = (
  { thresholdPercent, thresholdMonthly }: ContinuousSettings,
  all: readonly Pick<Savings, 'currentMonthlyCost'>[],
  { projectedSavingsPercent }: Pick<Savings, 'projectedSavingsPercent'>,
): Pick<RebalancePlanSpec, 'executionPolicy'> => {
  const current = all.reduce((sum, { currentMonthlyCost }) => sum + Number(currentMonthlyCost), 0);
  const least = Math.max(thresholdPercent, current > 0 ? (thresholdMonthly / current) * 100 : 0);
  // Rounded down, as the plan's own percentage is rounded.
  const threshold = Math.min(Math.floor(least * 10) / 10, Number(projectedSavingsPercent), 100);
  return threshold > 0 ? { executionPolicy: { achievedSavingsPercentageThreshold: String(threshold) } } : {};
};

/** The catalogue of a mode. Without 'full' no offering is available to buy; prices stay, to value existing nodes. */
export const catalogueFor = (settings: Pick<ContinuousSettings, 'mode'>, catalogue: Catalogue): Catalogue =>
  settings.mode === 'full' ? catalogue : sellingOnly(catalogue, () => false);

/** Names of the nodes that have no pod which a drain would wait for. */
export const emptyNodes = (
  nodes: readonly Node[],
  podsOn: (node: string) => readonly Pod[],
): readonly string[] =>
  nodes.map((node) => node.metadata.name).filter((name) => !podsOn(name).some(isDrainable));

/** More plans are not kept for any cooldown. */
const MOST_PLANS = 100;

/**
 * The cycle's own plans to delete: those that were never set to execute, and the oldest finished ones beyond `keep` that no cooldown
 * needs.
 */
export const plansToPrune = (
  plans: readonly RebalancePlan[],
  keep: number,
  o: { readonly now: number; readonly cooldownMs: number },
): readonly RebalancePlan[] => {
  const ours = plans.filter(isOurs);
  const unstarted = ours.filter((plan) => !isFinished(plan) && !plan.spec.execute);
  const newestFirst = ours.filter(isFinished).toSorted((a, b) => endOf(b) - endOf(a));
  const isNeeded = (plan: RebalancePlan, at: number): boolean =>
    at < keep || (at < MOST_PLANS && endOf(plan) + o.cooldownMs > o.now);
  return [...unstarted, ...newestFirst.filter((plan, at) => !isNeeded(plan, at))];
};

/** Names of the nodes without a pod that was moved lately; `until` says when each pod may be moved, in milliseconds since 1970. */
export const settledNodes = (
  nodes: readonly Node[],
  podsOn: (node: string) => readonly Pod[],
  until: (pod: Pod) => number,
  now: number,
): readonly string[] =>
  nodes
    .map(({ metadata }) => metadata.name)
    .filter((name) => podsOn(name).every((pod) => !isReschedulable(pod) || until(pod) <= now));
