import { z } from 'zod';
import type { KubeObject } from '../objects.ts';
import { rebalancePlanClaimSpec } from './rebalanceplanclaim.ts';
import { annotationMap, conditions, labelMap, time, uid, word } from './schema.ts';

const history = z.int().min(0).max(1000).default(3);

const spec = z.object({
  schedule: z.string().min(1).max(1024).meta({
    description:
      'Cron expression as a CronJob reads it, or @every with a duration; in UTC unless it begins with CRON_TZ=.',
  }),
  rebalancePlanClaimTemplate: z.object({
    metadata: z
      .object({ labels: labelMap.exactOptional(), annotations: annotationMap.exactOptional() })
      .exactOptional(),
    spec: rebalancePlanClaimSpec,
  }),
  suspend: z.boolean().default(false),
  startingDeadlineSeconds: z.int().min(1).max(2_147_483_647).exactOptional(),
  successfulJobsHistoryLimit: history,
  failedJobsHistoryLimit: history,
  preserveHistory: z
    .boolean()
    .default(false)
    .meta({ description: 'True keeps the claims when the schedule is deleted.' }),
});

const status = z.object({
  active: z
    .array(z.object({ name: z.string().max(253), uid: uid.exactOptional() }))
    .max(1_000)
    .exactOptional(),
  activeCount: z.int().exactOptional(),
  lastScheduleTime: time.exactOptional(),
  nextScheduleTime: time.exactOptional(),
  lastSuccessfulTime: time.exactOptional(),
  lastExecution: z
    .object({
      name: z.string().max(253),
      planId: z.string().max(253).exactOptional(),
      status: word.exactOptional(),
    })
    .exactOptional(),
  observedGeneration: z.int().exactOptional(),
  conditions: conditions.exactOptional(),
});

export const rebalancePlanSchedule = z.object({ spec, status: status.exactOptional() });

export type RebalancePlanScheduleSpec = z.output<typeof spec>;
export type RebalancePlanScheduleStatus = z.output<typeof status>;

/** Creates RebalancePlanClaims at the times of a cron expression. */
export interface RebalancePlanSchedule extends KubeObject {
  readonly spec: RebalancePlanScheduleSpec;
  readonly status?: RebalancePlanScheduleStatus;
}
