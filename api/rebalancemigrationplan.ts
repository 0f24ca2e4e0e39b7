import { z } from 'zod';
import type { KubeObject } from './objects.ts';
import { condition, name, stringMap } from './schema.ts';

const policy = z.enum(['Optional', 'Mandatory']);

const spec = z.object({
  migrations: z.array(
    z.object({
      podName: name,
      podNamespace: name,
      destinationNode: z.string().exactOptional(),
      destinationNodeClaim: z.string().exactOptional(),
      policy: policy.exactOptional(),
      options: stringMap.exactOptional(),
    }),
  ),
});

const status = z.object({
  phase: z.string().exactOptional(),
  migrations: z
    .record(
      z.string(),
      z.object({
        policy: policy.exactOptional(),
        state: z.enum(['Pending', 'Running', 'Ready', 'PodCreated', 'Failed', 'Completed']).exactOptional(),
      }),
    )
    .exactOptional(),
  conditions: z.array(condition).exactOptional(),
});

export const rebalanceMigrationPlan = z.object({ spec, status: status.exactOptional() });

export type RebalanceMigrationPlanSpec = z.output<typeof spec>;
export type RebalanceMigrationPlanStatus = z.output<typeof status>;

/** Pods to be moved without a restart, for whoever provides live migration to act on. */
export interface RebalanceMigrationPlan extends KubeObject {
  readonly spec: RebalanceMigrationPlanSpec;
  readonly status?: RebalanceMigrationPlanStatus;
}
