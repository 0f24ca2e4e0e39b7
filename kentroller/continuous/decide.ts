import type { RebalancePlan, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { isDrainable } from '../../api/pods.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { PlanningError } from '../rebalanceplanclaim/plannerworker.ts';
import type { ContinuousSettings } from './settings.ts';

/** On plans that the continuous cycle made. */
export const MADE_BY = 'autoscaling.cast.ai/made-by';
export const CONTINUOUS = 'continuous-rebalancing';

const MAX_BACKOFF_MS = 24 * 3_600_000;

export interface CycleState {
  readonly plans: readonly RebalancePlan[];
  readonly nodes: readonly Node[];
  readonly now: number;
}

const isOurs = (plan: RebalancePlan): boolean => plan.metadata.labels?.[MADE_BY] === CONTINUOUS;
const endOf = (plan: RebalancePlan): number => Date.parse(plan.status?.completionTime ?? '') || 0;

/** Until when to rest after failures: doubles with each failure in a row, and is read from the plans themselves. */
export const backoffUntil = (plans: readonly RebalancePlan[], backoffMs: number): number => {
  const ended = plans.filter((p) => isOurs(p) && isFinished(p)).toSorted((a, b) => endOf(b) - endOf(a));
  const successAt = ended.findIndex((plan) => plan.status?.state !== 'Failed');
  const failures = successAt < 0 ? ended.length : successAt;
  if (failures === 0) return 0;
  const rest = Math.min(backoffMs * 2 ** (failures - 1), MAX_BACKOFF_MS);
  return endOf(ended[0] as RebalancePlan) + rest;
};

/**
 * How long to rest after so many cycles in a row that failed. A planner that fails rests as after a failed plan; an API
 * server or a cloud that is away is asked again soon, and ever less often.
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

/** Why this cycle looks for no plan; undefined when it does. */
export const skipReason = (settings: ContinuousSettings, s: CycleState): string | undefined => {
  if (!settings.enabled) return 'it is not enabled';
  const running = s.plans.find((plan) => plan.spec.execute && !isFinished(plan));
  if (running) return `plan ${running.metadata.name} has not ended`;
  const until = backoffUntil(s.plans, settings.failureBackoffMs);
  if (until > s.now) return `it rests until ${new Date(until).toISOString()} after a failure`;
  const old = s.nodes.filter(
    (node) => s.now - Date.parse(node.metadata.creationTimestamp ?? '') >= settings.minNodeAgeMs,
  );
  if (old.length < settings.minNodes) {
    return `${old.length} nodes are old enough, ${settings.minNodes} are needed`;
  }
  return undefined;
};

/** Why a plan is not worth carrying out; undefined when both thresholds are met. */
export const belowThreshold = (settings: ContinuousSettings, savings: Savings): string | undefined => {
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

/** The catalogue of a mode: draining buys nothing, so nothing is for sale; prices of what stands are kept. */
export const catalogueFor = (settings: ContinuousSettings, catalogue: Catalogue): Catalogue =>
  settings.mode === 'full'
    ? catalogue
    : {
        instanceTypes: catalogue.instanceTypes.map((type) => ({
          ...type,
          offerings: type.offerings.map((offering) => ({ ...offering, available: false })),
        })),
      };

/** Nodes that hold nothing that would have to move. */
export const emptyNodes = (
  nodes: readonly Node[],
  podsOn: (node: string) => readonly Pod[],
): readonly string[] =>
  nodes.map((node) => node.metadata.name).filter((name) => !podsOn(name).some(isDrainable));

/** Plans of ours that ended longest ago, beyond those that are kept; and such as were never let go. */
export const plansToPrune = (plans: readonly RebalancePlan[], keep: number): readonly RebalancePlan[] => {
  const ours = plans.filter(isOurs);
  const stray = ours.filter((plan) => !isFinished(plan) && !plan.spec.execute);
  const ended = ours.filter(isFinished).toSorted((a, b) => endOf(b) - endOf(a));
  return [...stray, ...ended.slice(keep)];
};
