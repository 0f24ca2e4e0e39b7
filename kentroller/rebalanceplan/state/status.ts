import { shortened } from '../../../api/kinds/fit.ts';
import type {
  CreationAttempt,
  DeletionEvent,
  DetachedPod,
  RebalancePlan,
  RebalancePlanStatus,
} from '../../../api/kinds/rebalanceplan.ts';
import type { Condition } from '../../../api/objects.ts';
import { isTrue } from '../../../api/records/condition.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { AttemptRef } from './attemptref.ts';
import type { Phase } from './labels.ts';

/**
 * The most that a plan's status says, in characters and entries: far less than its CRD admits, so that a plan has room for
 * its end when it is stored (kentroller/rebalanceplanclaim/plansize.ts).
 */
export const STATUS_ENDS = {
  /** Why an attempt failed. */
  attemptText: 256,
  /** What one event of a drain says. */
  eventText: 256,
  /** Events of a removed node: the drain begins, a live migration has three, and it ends, maybe twice. */
  events: 6,
  warnings: 100,
  warningText: 500,
  /** Message of a condition or of a failure, such as the API server's answer. */
  message: 4_096,
} as const;

/** A pure change of a plan's status. */
export type StatusChange = (status: RebalancePlanStatus) => RebalancePlanStatus;

export const hasReached = (plan: RebalancePlan, phase: Phase): boolean =>
  isTrue(plan.status?.conditions, phase);

/** Time at which the phase was reached, in milliseconds since 1970; undefined before. */
export const reachedAt = (plan: RebalancePlan, phase: Phase): number | undefined => {
  const time = plan.status?.conditions?.find(
    (c) => c.type === phase && c.status === 'True',
  )?.lastTransitionTime;
  return time === undefined ? undefined : Date.parse(time);
};

/** True once the plan has ordered its first machine. */
export const hasOrdered = (plan: RebalancePlan): boolean =>
  Object.keys(plan.status?.nodesCreation ?? {}).length > 0;

export const attemptsOf = (plan: RebalancePlan, planned: string): readonly CreationAttempt[] =>
  valueAt(plan.status?.nodesCreation, planned)?.attempts ?? [];

export const deletionEventsOf = (plan: RebalancePlan, claim: string): readonly DeletionEvent[] =>
  valueAt(plan.status?.nodesDeletion, claim)?.events ?? [];

/** True for a node that was to be removed and stays, its drain having ended without it. */
export const isKept = (plan: RebalancePlan, claim: string): boolean =>
  deletionEventsOf(plan, claim).at(-1)?.status === 'Failed';

const iso = (now: number): string => new Date(now).toISOString();

/** The conditions with one replaced or added; its transition time changes only with its status. */
export const withCondition = (
  conditions: readonly Condition[],
  next: { readonly type: string; readonly status: Condition['status']; reason: string; message: string },
  now: number,
): Condition[] => {
  const old = conditions.find((c) => c.type === next.type);
  const lastTransitionTime =
    old?.status === next.status && old.lastTransitionTime ? old.lastTransitionTime : iso(now);
  return [...conditions.filter((c) => c.type !== next.type), { ...next, lastTransitionTime }];
};

export const setCondition =
  (type: string, status: Condition['status'], reason: string, message: string, now: number): StatusChange =>
  (s) => ({
    ...s,
    conditions: withCondition(
      (s.conditions ?? []) as Condition[],
      { type, status, reason, message: shortened(message, STATUS_ENDS.message) },
      now,
    ),
  });

/** Adds an attempt, or replaces the one of the same NodeClaim. */
export const recordAttempt =
  (attempt: AttemptRef, status: CreationAttempt['status'], description: string, now: number): StatusChange =>
  (s) => {
    const old = valueAt(s.nodesCreation, attempt.planned)?.attempts ?? [];
    const entry: CreationAttempt = {
      instanceType: attempt.instanceType,
      nodeClaimName: attempt.claimName,
      status,
      ...(description && { description: shortened(description, STATUS_ENDS.attemptText) }),
      ...(attempt.capacityType && { capacityType: attempt.capacityType }),
      ...(attempt.zone && { zone: attempt.zone }),
      ...(attempt.alternative !== undefined && { alternative: attempt.alternative }),
      ...(attempt.priceCapHourly !== undefined && { priceCapHourly: attempt.priceCapHourly }),
      timestamp: iso(now),
    };
    const at = old.findIndex((a) => a.nodeClaimName === attempt.claimName);
    const attempts = at < 0 ? [...old, entry] : old.with(at, entry);
    return {
      ...s,
      nodesCreation: { ...s.nodesCreation, [attempt.planned]: { name: attempt.planned, attempts } },
    };
  };

/** Adds an event to the history of a removed node, unless it is the last one already. */
export const recordDeletion =
  (
    claim: string,
    status: DeletionEvent['status'],
    description: string,
    now: number,
    migrationPlanName?: string,
  ): StatusChange =>
  (s) => {
    const old = valueAt(s.nodesDeletion, claim)?.events ?? [];
    const text = shortened(description, STATUS_ENDS.eventText);
    if (old.at(-1)?.status === status && old.at(-1)?.description === text) return s;
    const next = {
      status,
      description: text,
      ...(migrationPlanName && { migrationPlanName }),
      timestamp: iso(now),
    };
    // The last event is the state of the node, so it takes the place of an earlier one.
    const events = [...old.slice(0, STATUS_ENDS.events - 1), next];
    return { ...s, nodesDeletion: { ...s.nodesDeletion, [claim]: { name: claim, events } } };
  };

/** Records a pod that is about to be detached. */
export const recordDetached =
  (pod: DetachedPod): StatusChange =>
  (s) => ({
    ...s,
    detachedPods: [...(s.detachedPods ?? []).filter(({ uid }) => uid !== pod.uid), pod],
  });

const MORE_WARNINGS = 'More warnings were left out: see the events of the plan and the log of kentroller';

/** Whether a plan's list of warnings takes no more, so that nobody waits for one to be in it. */
const isFull = ({ warnings = [] }: RebalancePlanStatus): boolean => warnings.length >= STATUS_ENDS.warnings;

/** Whether a plan has this warning, or no room for it. */
export const hasWarned = ({ status = {} }: RebalancePlan, message: string): boolean => {
  const text = shortened(message, STATUS_ENDS.warningText);
  return isFull(status) || (status.warnings?.some(({ description }) => description === text) ?? false);
};

/** Whether the plan has a warning that begins with a text, whatever it says of pods after that, or no room for it. */
export const hasWarnedOf = ({ status = {} }: RebalancePlan, start: string): boolean =>
  isFull(status) || (status.warnings?.some(({ description }) => description?.startsWith(start)) ?? false);

/** Adds a warning that is new; the last one that there is room for says that there are more. */
export const addWarning =
  (warning: string): StatusChange =>
  (s) => {
    const { warnings = [] } = s;
    const text = shortened(warning, STATUS_ENDS.warningText);
    if (isFull(s) || warnings.some(({ description }) => description === text)) return s;
    const description = warnings.length === STATUS_ENDS.warnings - 1 ? MORE_WARNINGS : text;
    return { ...s, warnings: [...warnings, { description }] };
  };
