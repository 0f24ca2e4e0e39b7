import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import type { RebalancePlanSchedule } from '../../api/kinds/rebalanceplanschedule.ts';
import { GROUP_VERSION } from '../../api/labels.ts';
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

/** On a claim: the schedule that made it, also where the schedule does not own it. */
export const SCHEDULE_LABEL = 'autoscaling.cast.ai/rebalance-plan-schedule';
/** Timers are 31 bits wide; whoever sleeps longer looks again in between. */
const LONGEST_SLEEP_MS = 3_600_000;
const GATE_RETRY_MS = 2_000;

/** The claim of one run; the schedule owns it unless history is to outlive the schedule. */
export const buildClaim = (schedule: RebalancePlanSchedule, name: string): RebalancePlanClaim => {
  const { rebalancePlanClaimTemplate: template, preserveHistory } = schedule.spec;
  return {
    apiVersion: GROUP_VERSION,
    kind: 'RebalancePlanClaim',
    metadata: {
      name,
      labels: { ...template.metadata?.labels, [SCHEDULE_LABEL]: schedule.metadata.name },
      ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
      ...(preserveHistory
        ? {}
        : {
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

/** Makes RebalancePlanClaims at the times of RebalancePlanSchedules, and clears away old ones. */
export const createScheduleController = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'schedules' | 'claims'>;
  /** False while no claim is to be made; runs that were due meanwhile count as missed. */
  readonly isEnabled?: () => boolean;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
}): Controller => {
  const { client, caches } = o;
  const read = async (name: string, signal: AbortSignal): Promise<RebalancePlanSchedule | undefined> => {
    return await getOrUndefined(client.get(REBALANCE_PLAN_SCHEDULES, { name }, { signal }));
  };
  const take = async (
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
      // Done before the process ended, or by someone else.
      if (!isAlreadyExists(error) && !isNotFound(error) && !isConflict(error)) throw error;
    }
    o.log.info({ schedule: schedule.metadata.name, ...step }, 'schedule step');
    const type = step.kind === 'skip-run' ? 'Warning' : 'Normal';
    o.recorder.event(REBALANCE_PLAN_SCHEDULES, schedule, type, step.reason, step.message);
  };
  return {
    name: 'rebalanceplanschedule.fire',
    sources: [
      watches(caches.schedules, (schedule) => [schedule.metadata.name]),
      watches(caches.claims, (claim) => {
        const name = claim.metadata.labels?.[SCHEDULE_LABEL];
        return name ? [name] : [];
      }),
    ],
    reconcile: async (name, signal) => {
      const schedule = await read(name, signal);
      if (!schedule || schedule.metadata.deletionTimestamp) return awaitChange;
      if (o.isEnabled?.() === false) return requeue(GATE_RETRY_MS);
      const claims = caches.claims.list().filter((c) => c.metadata.labels?.[SCHEDULE_LABEL] === name);
      const now = o.clock.now();
      const { steps, status, next } = decideSchedule(schedule, claims, now);
      for (const step of steps) await take(schedule, step, signal);
      if (JSON.stringify(status) !== JSON.stringify(schedule.status ?? {})) {
        await client.replace(
          REBALANCE_PLAN_SCHEDULES,
          { ...schedule, status },
          { subresource: 'status', signal },
        );
      }
      return next === undefined ? awaitChange : requeue(Math.min(Math.max(next - now, 0), LONGEST_SLEEP_MS));
    },
  };
};
