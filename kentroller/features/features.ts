import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

/** What the dynamic ConfigMap turns on, off and tunes; what it leaves out is as it was configured at the start. */
const flag = z.object({ enabled: z.boolean().optional() });

const schema = z.object({
  rebalancer: flag.optional(),
  continuousRebalancing: flag
    .extend({
      mode: z.enum(['full', 'drain-only', 'delete-empty']).optional(),
      savingsThresholdPercent: z.coerce.number().min(0).max(100).optional(),
      savingsThresholdCostMonthly: z.coerce.number().min(0).optional(),
      minNodeAgeSeconds: z.coerce.number().min(0).optional(),
      minNodesToConsider: z.coerce.number().int().min(1).optional(),
      maxNodesPerIteration: z.coerce.number().int().min(1).optional(),
      failureBackoffSeconds: z.coerce.number().min(0).optional(),
      aggressiveModeConfig: z.record(z.string(), z.union([z.boolean(), z.string()])).optional(),
    })
    .optional(),
});

export type Features = z.output<typeof schema>;

/** A configuration that can't be used; the message names the field. */
export class FeaturesError extends Error {
  override readonly name = 'FeaturesError';
}

/** Reads the configuration from its YAML. Throws FeaturesError. */
export const parseFeatures = (yaml: string): Features => {
  let raw: unknown;
  try {
    raw = parseYaml(yaml);
  } catch (cause) {
    throw new FeaturesError(
      `it is not YAML: ${cause instanceof Error ? cause.message.split('\n')[0] : cause}`,
      {
        cause,
      },
    );
  }
  const result = schema.safeParse(raw ?? {});
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new FeaturesError(`${issue?.path.join('.') || 'it'}: ${issue?.message}`);
};
