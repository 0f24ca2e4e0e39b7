import { labelValueOf } from '../../api/identity/names.ts';
import { isMarkedBy, ownerMark, parseOwnerMark } from '../../api/identity/ownermark.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import type { RebalancePlanSchedule } from '../../api/kinds/rebalanceplanschedule.ts';
import { GROUP_VERSION, OWNED_BY } from '../../api/labels.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLAN_SCHEDULES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { decideSchedule, type ScheduleStep } from './decide.ts';

/** Label of a claim, for selectors: the name of the schedule that created it, as a label value. */
export const SCHEDULE_LABEL = 'autoscaling.cast.ai/rebalance-plan-schedule';
/** Timers are 31 bits wide, so a longer wait is split. */
const MAX_SLEEP_MS = 3_600_000;
const DISABLED_RETRY_MS = 2_000;

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
    getOrUndefined(client.get(REBALANCE_PLAN_SCHEDULES, { name }, { signal }));
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
    o.log.info({ schedule: schedule.metadata.name, ...step }, 'schedule step taken');
    const type = step.kind === 'skip-run' ? 'Warning' : 'Normal';
    o.recorder.event(REBALANCE_PLAN_SCHEDULES, schedule, type, step.reason, step.message);
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
      if (o.isEnabled?.() === false) return requeue(DISABLED_RETRY_MS);
      const claims = caches.claims.list().filter((c) => isMarkedBy(schedule, c, OWNED_BY));
      const now = o.clock.now();
      const { steps, status, next } = decideSchedule(schedule, claims, now);
      for (const step of steps) await apply(schedule, step, signal);
      if (JSON.stringify(status) !== JSON.stringify(schedule.status ?? {})) {
        await client.replace(
          REBALANCE_PLAN_SCHEDULES,
          { ...schedule, status },
          { subresource: 'status', signal },
        );
      }
      return next === undefined ? awaitChange : requeue(Math.min(Math.max(next - now, 0), MAX_SLEEP_MS));
    },
  };
};
