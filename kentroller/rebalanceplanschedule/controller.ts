import { labelValueOf } from '../../api/identity/names.ts';
import { isMarkedBy, ownerMark, parseOwnerMark } from '../../api/identity/ownermark.ts';
import { fitting } from '../../api/kinds/fit.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import {
  type RebalancePlanSchedule,
  type RebalancePlanScheduleStatus,
  rebalancePlanSchedule,
} from '../../api/kinds/rebalanceplanschedule.ts';
import { GROUP_VERSION, OWNED_BY } from '../../api/labels.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLAN_SCHEDULES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import {
  type Action,
  awaitChange,
  type Controller,
  requeue,
  watches,
} from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import {
  isAlreadyExists,
  isConflict,
  isForbidden,
  isNotFound,
  isTerminal,
  messageOf,
} from '../../kube/errors.ts';
import { getIfServed } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import {
  afterRefusal,
  decideSchedule,
  type ScheduleDecision,
  type ScheduleStep,
  whileDisabled,
} from './decide.ts';

/** Label of a claim, for selectors: the name of the schedule that created it, as a label value. */
export const SCHEDULE_LABEL = 'autoscaling.cast.ai/rebalance-plan-schedule';
/** Timers are 31 bits wide, so a longer wait is split. */
const MAX_SLEEP_MS = 3_600_000;
const DISABLED_RETRY_MS = 2_000;
/** Delay of the next try of a claim that we may not create. */
const REFUSED_RETRY_MS = 60_000;

const fitStatus = fitting<RebalancePlanScheduleStatus>(rebalancePlanSchedule.shape.status.unwrap());

/** The claim of one run. The schedule owns it, unless preserveHistory keeps claims after the schedule is deleted. */
export const buildClaim = (schedule: RebalancePlanSchedule, name: string): RebalancePlanClaim => {
  const { rebalancePlanClaimTemplate: template, preserveHistory } = schedule.spec;
  return {
    apiVersion: GROUP_VERSION,
    kind: 'RebalancePlanClaim',
    metadata: {
      name,
      labels: { ...template.metadata?.labels, [SCHEDULE_LABEL]: labelValueOf(schedule.metadata.name) },
      annotations: { ...template.metadata?.annotations, [OWNED_BY]: ownerMark(schedule) },
      ...(!preserveHistory && {
        ownerReferences: [
          {
            apiVersion: GROUP_VERSION,
            kind: 'RebalancePlanSchedule',
            name: schedule.metadata.name,
            uid: schedule.metadata.uid ?? '',
            controller: true,
          },
        ],
      }),
    },
    spec: template.spec,
  };
};

/** Creates RebalancePlanClaims when a RebalancePlanSchedule is due, and deletes those beyond its history limits. */
export const createScheduleController = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'schedules' | 'claims'>;
  /** False while the rebalancer is disabled; runs that become due meanwhile count as missed. */
  readonly isEnabled?: () => boolean;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
}): Controller => {
  const { client, caches } = o;
  const read = (name: string, signal: AbortSignal): Promise<RebalancePlanSchedule | undefined> =>
    getIfServed(client.get(REBALANCE_PLAN_SCHEDULES, { name }, { signal }));
  const report = (
    schedule: RebalancePlanSchedule,
    type: 'Normal' | 'Warning',
    step: { readonly reason: string; readonly message: string },
  ): void => {
    o.log.info({ schedule: schedule.metadata.name, ...step }, 'schedule step taken');
    o.recorder.event(REBALANCE_PLAN_SCHEDULES, schedule, type, step.reason, step.message);
  };
  const apply = async (
    schedule: RebalancePlanSchedule,
    step: ScheduleStep,
    signal: AbortSignal,
  ): Promise<void> => {
    try {
      if (step.kind === 'create-claim') {
        await client.create(REBALANCE_PLAN_CLAIMS, buildClaim(schedule, step.name), { signal });
      } else if (step.kind === 'delete-claim') {
        await client.delete(REBALANCE_PLAN_CLAIMS, { name: step.name }, { uid: step.uid, signal });
      }
    } catch (error) {
      // An earlier process has done it, or a user has.
      if (!isAlreadyExists(error) && !isNotFound(error) && !isConflict(error)) throw error;
    }
    report(schedule, step.kind === 'skip-run' ? 'Warning' : 'Normal', step);
  };
  const write = async (
    schedule: RebalancePlanSchedule,
    status: RebalancePlanScheduleStatus,
    signal: AbortSignal,
  ): Promise<void> => {
    const fitted = fitStatus(status);
    if (JSON.stringify(fitted) === JSON.stringify(schedule.status ?? {})) return;
    const options = { subresource: 'status', signal } as const;
    await client.replace(REBALANCE_PLAN_SCHEDULES, { ...schedule, status: fitted }, options);
  };
  /** Takes the steps of a decision; a claim that the API server refuses ends in the schedule's status. */
  const carryOut = async (
    schedule: RebalancePlanSchedule,
    decision: ScheduleDecision,
    now: number,
    signal: AbortSignal,
  ): Promise<Action> => {
    let { status } = decision;
    let isDue = false;
    for (const step of decision.steps) {
      try {
        await apply(schedule, step, signal);
      } catch (error) {
        if (step.kind !== 'create-claim' || !(isTerminal(error) || isForbidden(error))) throw error;
        isDue = isForbidden(error);
        const refusal = { message: messageOf(error), isForbidden: isDue };
        const refused = afterRefusal(schedule, decision, step, refusal, now);
        ({ status } = refused);
        report(schedule, 'Warning', { reason: refused.reason, message: refused.message });
      }
    }
    await write(schedule, status, signal);
    if (isDue) return requeue(REFUSED_RETRY_MS);
    const { next } = decision;
    return next === undefined ? awaitChange : requeue(Math.min(Math.max(next - now, 0), MAX_SLEEP_MS));
  };
  return {
    name: 'rebalanceplanschedule.fire',
    sources: [
      watches(caches.schedules, (schedule) => [schedule.metadata.name]),
      watches(caches.claims, (claim) => {
        const owner = parseOwnerMark(claim.metadata.annotations?.[OWNED_BY]);
        return owner ? [owner.name] : [];
      }),
    ],
    reconcile: async (name, signal) => {
      const schedule = await read(name, signal);
      if (!schedule || schedule.metadata.deletionTimestamp) return awaitChange;
      const claims = caches.claims.list().filter((c) => isMarkedBy(schedule, c, OWNED_BY));
      const now = o.clock.now();
      const decision = decideSchedule(schedule, claims, now);
      if (o.isEnabled?.() !== false) return carryOut(schedule, decision, now, signal);
      const status = whileDisabled(schedule, decision, now);
      if (status) await write(schedule, status, signal);
      return requeue(DISABLED_RETRY_MS);
    },
  };
};
