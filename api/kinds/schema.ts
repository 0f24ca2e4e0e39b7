import { z } from 'zod';

/**
 * Schemas that several kinds share. Optional fields are absent, never undefined. Every string, list and map has an end,
 * far beyond what a real object holds: see docs/designs/0032-kinds-have-ends.md.
 */

/** Objects of one kind that a plan adds, removes or fills, and what is said of each. */
export const MAX_PLAN_NODES = 1_000;
/** Nodes of a cluster that a claim names. */
export const MAX_NODES = 10_000;

/** Name of an object. */
export const name = z.string().min(1).max(253);

/** A label's key: a prefix, a slash and a name. */
export const key = z.string().min(1).max(317);

/** A label's value; names of instance types, zones and capacity types are such. */
export const labelValue = z.string().max(63);

/** A word of ours or of the API server, such as a reason. */
export const word = z.string().max(1024);

export const MAX_TEXT = 4_096;

/** A sentence for people. */
export const text = z.string().max(MAX_TEXT);

/** The message of a condition, as long as Kubernetes' own may be. */
export const message = z.string().max(32_768);

export const uid = z.string().max(128);

const maxProperties = (most: number) => ({ maxProperties: most });

/** A map from names to what is said of each. */
export const byName = <T extends z.ZodType>(value: T) =>
  z.record(z.string(), value).meta(maxProperties(MAX_PLAN_NODES));

/** Money or percent as a string, since floats change on their way through etcd. */
export const decimal = z
  .string()
  .max(32)
  .regex(/^-?[0-9]+(\.[0-9]+)?$/);

/** Percent between 0 and 100, as a decimal string. */
export const percent = z
  .string()
  .max(32)
  .regex(/^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)$/)
  .meta({ description: 'Percent between 0 and 100, a decimal in a string.' });

/** A Go duration, as Kubernetes APIs write them: 90s, 5m, 1h30m. */
export const duration = z
  .string()
  .max(64)
  .regex(/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/)
  .meta({ description: 'A duration such as 90s, 5m or 1h30m.' });

export const time = z.string().max(64).meta({ format: 'date-time' });

export const labelMap = z.record(z.string(), labelValue).meta(maxProperties(256));

/** Annotations may have 256 KiB together. */
export const annotationMap = z.record(z.string(), z.string().max(262_144)).meta(maxProperties(256));

export const quantityMap = z
  .record(z.string(), z.string().max(64).meta({ pattern: undefined, description: 'A Kubernetes quantity.' }))
  .meta(maxProperties(256));

const condition = z.object({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: word.exactOptional(),
  message: message.exactOptional(),
  lastTransitionTime: time.exactOptional(),
  observedGeneration: z.int().exactOptional(),
});

export const conditions = z.array(condition).max(32);

const taint = z.object({
  key,
  value: labelValue.exactOptional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
});

export const taints = z.array(taint).max(100);

const nodeSelectorRequirement = z.object({
  key,
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']),
  values: z.array(z.string().max(253)).max(2_000).exactOptional(),
});

export const nodeSelector = z.object({
  nodeSelectorTerms: z
    .array(
      z.object({
        matchExpressions: z.array(nodeSelectorRequirement).max(100).exactOptional(),
        matchFields: z.array(nodeSelectorRequirement).max(100).exactOptional(),
      }),
    )
    .min(1)
    .max(100),
});

/** A requirement of a NodePool or NodeClaim. */
const requirement = z.object({
  key,
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt', 'Gte', 'Lte']),
  values: z.array(labelValue).max(2_000).exactOptional(),
  minValues: z.int().min(1).exactOptional(),
});

/** As many as Karpenter takes in a NodeClaim. */
export const requirements = z.array(requirement).max(100);

export const warnings = z.array(z.object({ description: text })).max(1_000);

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
  ignoreConsolidatable: flag.meta({
    description:
      'Takes nodes in whose condition Consolidatable is not True. WhenEmpty and consolidateAfter Never hold no plan back, which then says so.',
  }),
  ignoreInstanceCriteria: flag,
  ignoreZeroNodePoolDisruptionBudgets: flag,
  aggressiveEviction: flag.meta({
    description:
      'Pods that eviction has not removed when the drain timeout is over are deleted, with their grace period.',
  }),
  drainTimeout: duration.exactOptional(),
});
