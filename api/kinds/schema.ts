import { z } from 'zod';

/** Schemas that several kinds share. Optional fields are absent, never undefined. */

/** Name of an object. */
export const name = z.string().min(1).max(253);

/** Money or percent as a string, since floats change on their way through etcd. */
export const decimal = z.string().regex(/^-?[0-9]+(\.[0-9]+)?$/);

/** Percent between 0 and 100, as a decimal string. */
export const percent = z
  .string()
  .regex(/^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)$/)
  .meta({ description: 'Percent between 0 and 100, a decimal in a string.' });

/** A Go duration, as Kubernetes APIs write them: 90s, 5m, 1h30m. */
export const duration = z
  .string()
  .regex(/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/)
  .meta({ description: 'A duration such as 90s, 5m or 1h30m.' });

export const time = z.string().meta({ format: 'date-time' });

export const stringMap = z.record(z.string(), z.string());

export const quantityMap = z.record(
  z.string(),
  z.string().meta({ pattern: undefined, description: 'A Kubernetes quantity.' }),
);

export const condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().exactOptional(),
  message: z.string().exactOptional(),
  lastTransitionTime: time.exactOptional(),
  observedGeneration: z.int().exactOptional(),
});

export const taint = z.object({
  key: z.string().min(1),
  value: z.string().exactOptional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
});

export const nodeSelectorRequirement = z.object({
  key: z.string().min(1),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']),
  values: z.array(z.string()).exactOptional(),
});

export const nodeSelector = z.object({
  nodeSelectorTerms: z
    .array(
      z.object({
        matchExpressions: z.array(nodeSelectorRequirement).exactOptional(),
        matchFields: z.array(nodeSelectorRequirement).exactOptional(),
      }),
    )
    .min(1),
});

/** A requirement of a NodePool or NodeClaim. */
export const requirement = z.object({
  key: z.string().min(1),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt', 'Gte', 'Lte']),
  values: z.array(z.string()).exactOptional(),
  minValues: z.int().min(1).exactOptional(),
});

export const warning = z.object({ description: z.string() });

export const executionPolicy = z.object({
  achievedSavingsPercentageThreshold: percent.exactOptional(),
});

export const timeouts = z.object({
  planGenerationTimeout: duration.exactOptional(),
  rebalanceExecutionTimeout: duration.exactOptional(),
});

const flag = z.boolean().exactOptional();

/** What a plan may disrupt though the planner would leave it alone; the executor keeps to the same. */
export const aggressiveMode = z.object({
  ignoreLocalPersistentVolumes: flag,
  ignoreProblemJobPods: flag,
  ignoreProblemPodsWithoutController: flag,
  ignoreProblemRemovalDisabledPods: flag,
  ignoreProblemRemovalDisabledNodes: flag,
  ignoreBlockingPDB: flag,
  ignoreConsolidatable: flag,
  ignoreInstanceCriteria: flag,
  ignoreZeroNodePoolDisruptionBudgets: flag,
  aggressiveEviction: flag.meta({
    description:
      'Pods that eviction has not removed when the drain timeout is over are deleted, with their grace period.',
  }),
  drainTimeout: duration.exactOptional(),
});
