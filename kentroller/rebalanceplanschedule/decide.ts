import { CronError } from '../../api/cron/fields.ts';
import { type Cron, parseCron } from '../../api/cron.ts';
import { derivedName } from '../../api/identity/names.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import type {
  RebalancePlanSchedule,
  RebalancePlanScheduleStatus,
} from '../../api/kinds/rebalanceplanschedule.ts';
import type { Condition } from '../../api/objects.ts';
import { withCondition } from '../rebalanceplan/state/status.ts';
import { isFinished } from '../rebalanceplanclaim/claimstatus.ts';

export type ScheduleStep = { readonly reason: string; readonly message: string } & (
  | { readonly kind: 'create-claim'; readonly name: string; readonly at: number }
  | { readonly kind: 'skip-run' }
  | { readonly kind: 'delete-claim'; readonly name: string; readonly uid: string }
);

export interface ScheduleDecision {
  readonly steps: readonly ScheduleStep[];
  /** The status after the steps. */
  readonly status: RebalancePlanScheduleStatus;
  /** Time of the next run in milliseconds since 1970; undefined when there is none. */
  readonly next: number | undefined;
}

/** The condition that says whether the last due run has made its claim, and why not. */
export const RUN_STARTED = 'RunStarted';

const iso = (at: number): string => new Date(at).toISOString();

/** The time of a claim's run, in milliseconds since 1970: from its name, else its creation time. */
const runTimeOf = ({ metadata }: RebalancePlanClaim): number => {
  const seconds = Number(/-(\d{9,11})$/.exec(metadata.name)?.[1]);
  return seconds > 0 ? seconds * 1000 : Date.parse(metadata.creationTimestamp ?? '') || 0;
};

const readCron = (text: string): { cron?: Cron; error?: string } => {
  try {
    return { cron: parseCron(text) };
  } catch (error) {
    if (error instanceof CronError) return { error: error.message };
    throw error;
  }
};

const runStep = (
  schedule: RebalancePlanSchedule,
  active: readonly RebalancePlanClaim[],
  due: number,
  now: number,
): ScheduleStep => {
  const { startingDeadlineSeconds } = schedule.spec;
  const late = Math.round((now - due) / 1000);
  if (startingDeadlineSeconds !== undefined && late > startingDeadlineSeconds) {
    return {
      kind: 'skip-run',
      reason: 'MissedSchedule',
      message: `Skipped the run of ${iso(due)}: it is ${late} s late, startingDeadlineSeconds is ${startingDeadlineSeconds}`,
    };
  }
  const name = derivedName(schedule.metadata.name, `-${Math.round(due / 1000)}`);
  const other = active.find((claim) => claim.metadata.name !== name);
  if (other) {
    return {
      kind: 'skip-run',
      reason: 'OverlapSkipped',
      message: `Skipped the run of ${iso(due)}: RebalancePlanClaim ${other.metadata.name} has not finished`,
    };
  }
  return {
    kind: 'create-claim',
    name,
    at: due,
    reason: 'ClaimCreated',
    message: `Created RebalancePlanClaim ${name}`,
  };
};

const withRun = (
  status: RebalancePlanScheduleStatus,
  isStarted: boolean,
  { reason, message }: { readonly reason: string; readonly message: string },
  now: number,
): RebalancePlanScheduleStatus => ({
  ...status,
  conditions: withCondition(
    (status.conditions ?? []) as Condition[],
    { type: RUN_STARTED, status: isStarted ? 'True' : 'False', reason, message },
    now,
  ),
});

/**
 * The decision after the API server refused the claim of a run. A run that is refused for good is over; one that we may
 * not start yet (`isForbidden`: rights, quotas, admission) stays due.
 */
export const afterRefusal = (
  schedule: RebalancePlanSchedule,
  decision: ScheduleDecision,
  step: { readonly name: string; readonly at: number },
  refusal: { readonly message: string; readonly isForbidden: boolean },
  now: number,
): { readonly status: RebalancePlanScheduleStatus; readonly reason: string; readonly message: string } => {
  const { lastScheduleTime: before } = schedule.status ?? {};
  const { lastScheduleTime: _, ...status } = decision.status;
  const what = refusal.isForbidden
    ? 'it is tried again every minute'
    : 'change spec.rebalancePlanClaimTemplate before the next run';
  const reason = 'ClaimRefused';
  const message = `The run of ${iso(step.at)} made no RebalancePlanClaim ${step.name}, because ${refusal.message}; ${what}`;
  const settled = refusal.isForbidden
    ? { ...status, ...(before !== undefined && { lastScheduleTime: before }) }
    : decision.status;
  return { status: withRun(settled, false, { reason, message }, now), reason, message };
};

/** The status of a schedule whose run is due while the rebalancer is disabled; undefined when no run waits. */
export const whileDisabled = (
  schedule: RebalancePlanSchedule,
  decision: ScheduleDecision,
  now: number,
): RebalancePlanScheduleStatus | undefined => {
  const waits = decision.steps.find(({ kind }) => kind === 'create-claim');
  if (waits?.kind !== 'create-claim') return undefined;
  const message = `The run of ${iso(waits.at)} waits until the features ConfigMap or REBALANCER_ENABLED enables the rebalancer`;
  return withRun(schedule.status ?? {}, false, { reason: 'RebalancerDisabled', message }, now);
};

const pruneSteps = (claims: readonly RebalancePlanClaim[], limit: number): readonly ScheduleStep[] =>
  claims
    .toSorted((a, b) => runTimeOf(b) - runTimeOf(a))
    .slice(limit)
    .map((claim) => ({
      kind: 'delete-claim',
      name: claim.metadata.name,
      uid: claim.metadata.uid ?? '',
      reason: 'ClaimExpired',
      message: `Deleted RebalancePlanClaim ${claim.metadata.name}: the history limit is ${limit}`,
    }));

const isSuccess = (claim: RebalancePlanClaim): boolean =>
  claim.status?.state === 'Completed' || claim.status?.state === 'Skipped';

/** The steps that a schedule takes now, and its status. Pure; `claims` are those that it created. */
export const decideSchedule = (
  schedule: RebalancePlanSchedule,
  claims: readonly RebalancePlanClaim[],
  now: number,
): ScheduleDecision => {
  const { spec, metadata } = schedule;
  const old = schedule.status ?? {};
  const live = claims.filter((c) => !c.metadata.deletionTimestamp);
  const ended = live.filter(isFinished);
  const active = live.filter((c) => !isFinished(c));
  const { cron, error } = readCron(spec.schedule);

  // 1. Find the start of the search: an edited schedule starts now, without catching up.
  const isEdited = old.observedGeneration !== undefined && old.observedGeneration !== metadata.generation;
  const created = Date.parse(metadata.creationTimestamp ?? '') || now;
  const since = isEdited ? now : Date.parse(old.lastScheduleTime ?? '') || created;

  // 2. Decide about the latest due run.
  const due = cron && !spec.suspend ? cron.latest(since, now) : undefined;
  const runs = due === undefined ? [] : [runStep(schedule, active, due, now)];

  // 3. Delete claims beyond the history limits.
  const pruned = [
    ...pruneSteps(ended.filter(isSuccess), spec.successfulJobsHistoryLimit ?? 3),
    ...pruneSteps(
      ended.filter((c) => !isSuccess(c)),
      spec.failedJobsHistoryLimit ?? 3,
    ),
  ];

  const lastSchedule = due ?? (isEdited || old.lastScheduleTime ? since : undefined);
  const next = cron && !spec.suspend ? cron.next(due ?? since) : undefined;
  const latest = live.toSorted((a, b) => runTimeOf(b) - runTimeOf(a))[0];
  const succeeded = ended
    .filter(isSuccess)
    .map((c) => c.status?.completionTime ?? '')
    .concat(old.lastSuccessfulTime ?? '')
    .sort()
    .at(-1);
  const lastExecution = latest
    ? {
        name: latest.metadata.name,
        ...(latest.status?.planId && { planId: latest.status.planId }),
        status: latest.status?.state ?? 'Pending',
      }
    : old.lastExecution;
  const condition = withCondition(
    (old.conditions ?? []) as Condition[],
    {
      type: 'Valid',
      status: error === undefined ? 'True' : 'False',
      reason: error === undefined ? 'ScheduleRead' : 'InvalidSchedule',
      message: error ?? `The schedule is valid, in time zone ${cron?.zone}`,
    },
    now,
  );
  const status: RebalancePlanScheduleStatus = {
    active: active.map((c) => ({
      name: c.metadata.name,
      ...(c.metadata.uid && { uid: c.metadata.uid }),
    })),
    activeCount: active.length,
    ...(lastSchedule !== undefined && { lastScheduleTime: iso(lastSchedule) }),
    ...(next !== undefined && { nextScheduleTime: iso(next) }),
    ...(succeeded && { lastSuccessfulTime: succeeded }),
    ...(lastExecution && { lastExecution }),
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
    conditions: condition,
  };
  const [run] = runs;
  return {
    steps: [...runs, ...pruned],
    status: run ? withRun(status, run.kind === 'create-claim', run, now) : status,
    next,
  };
};
