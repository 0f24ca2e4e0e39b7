import { z } from 'zod';
import type { KubeObject } from '../objects.ts';
import { byName, conditions, name, word } from './schema.ts';

const policy = z.enum(['Optional', 'Mandatory']);

const spec = z.object({
  migrations: z
    .array(
      z.object({
        podName: name,
        podNamespace: name,
        destinationNode: z.string().max(253).exactOptional(),
        destinationNodeClaim: z.string().max(253).exactOptional(),
        policy: policy.exactOptional().meta({
          description:
            'What becomes of the pod when it is not migrated: Optional is evicted, Mandatory stays where it is.',
        }),
        options: z
          .record(z.string(), word)
          .meta({ maxProperties: 32 })
          .exactOptional()
          .meta({ description: 'For the provider; podUID tells the pod from a later one of its name.' }),
      }),
    )
    .max(1_000),
});

const status = z.object({
  phase: word.exactOptional().meta({
    description:
      'Written by the provider: any value says that it is there; Completed, Succeeded or Failed ends all pods that have not ended.',
  }),
  migrations: byName(
    z.object({
      policy: policy.exactOptional(),
      state: z.enum(['Pending', 'Running', 'Ready', 'PodCreated', 'Failed', 'Completed']).exactOptional(),
    }),
  )
    .exactOptional()
    .meta({ description: "Written by the provider, by 'namespace/name' of the pod." }),
  conditions: conditions.exactOptional(),
});

export const rebalanceMigrationPlan = z.object({ spec, status: status.exactOptional() });

export type RebalanceMigrationPlanSpec = z.output<typeof spec>;
export type RebalanceMigrationPlanStatus = z.output<typeof status>;

/** Pods to be moved without a restart by a live migration provider. */
export interface RebalanceMigrationPlan extends KubeObject {
  readonly spec: RebalanceMigrationPlanSpec;
  readonly status?: RebalanceMigrationPlanStatus;
}
