import { z } from 'zod';
import { policySettings } from './kinds/autoscalerpolicy.ts';
import { evictorSettings } from './kinds/evictorconfig.ts';
import { rebalancePlanClaimSpec } from './kinds/rebalanceplanclaim.ts';
import { valueAt } from './records/valueat.ts';
import { DocumentError, readYaml } from './text/readyaml.ts';

/**
 * Features that ConfigMaps turn on, off and tune while components run: YAML under `config.yaml`, one setting per key
 * (`rebalancer.enabled: "false"`), or both. See docs/designs/0005-features.md.
 */

export const CONFIG_KEY = 'config.yaml';
/** A ConfigMap with all settings and a comment to each takes a quarter; the time to parse grows with the square. */
const MAX_BYTES = 32 * 1024;
/** Three times the settings that there are. */
const MAX_KEYS = 100;
/** On a ConfigMap, with any value: it holds features. */
export const FEATURES_LABEL = 'autoscaling.cast.ai/features';

/** A number, also in quotes. */
const number = z.union([
  z.number(),
  z
    .string()
    .regex(/^[0-9]+(\.[0-9]+)?$/, 'a number is expected')
    .transform(Number),
]);
const within = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  number.refine((n) => n >= min && n <= max, {
    message: max === Number.MAX_SAFE_INTEGER ? `at least ${min} is expected` : `${min} to ${max} is expected`,
  });
const whole = (min: number, max?: number) =>
  within(min, max).refine(Number.isInteger, { message: 'a whole number is expected' });
const count = whole(1);
const seconds = within(0);

const gate = z.object({ enabled: z.boolean().exactOptional() });

const schema = z.object({
  /** Claims, schedules and the start of plans. Plans that run are finished. */
  rebalancer: gate.exactOptional(),
  continuousRebalancing: gate
    .extend({
      mode: z.enum(['full', 'drain-only', 'delete-empty']).exactOptional(),
      /** Percent of the replaced nodes' cost. */
      savingsThresholdPercent: within(0, 100).exactOptional(),
      /** USD a month. */
      savingsThresholdCostMonthly: within(0).exactOptional(),
      minNodeAgeSeconds: seconds.exactOptional(),
      minNodesToConsider: count.exactOptional(),
      maxNodesPerIteration: count.exactOptional(),
      maxBinarySearchDepth: count.exactOptional(),
      /** The least saving per moved pod, as a fraction of an average pod's cost. */
      moveWeight: within(0).exactOptional(),
      /** For so long a pod that was moved stays where it is; 0 by default. */
      podMoveCooldownSeconds: seconds.exactOptional(),
      failureBackoffSeconds: seconds.exactOptional(),
      pollingPeriodSeconds: within(1).exactOptional(),
      aggressiveModeConfig: rebalancePlanClaimSpec.shape.aggressiveModeConfig,
    })
    .exactOptional(),
  spotInterruptionPrediction: gate
    .extend({
      modelName: z.string().max(253).exactOptional(),
      pollIntervalSeconds: within(1).exactOptional(),
      spotReplacementCooldownSeconds: seconds.exactOptional(),
      /** The interruption probability from which a node is at risk, 0 to 1. */
      interruptionThreshold: within(0, 1).exactOptional(),
      /** Predictions are recorded and scored, and nothing is moved. */
      shadow: z.boolean().exactOptional(),
      /** Percent of the spot nodes that may be replaced at once. */
      maxNodesPercent: within(0, 100).exactOptional(),
      /** Families of instance types whose EC2 spot placement scores are read; 0 reads none. */
      placementScoreFamilies: whole(0, 50).exactOptional(),
    })
    .exactOptional(),
  nodeConsolidation: gate.exactOptional(),
  /** Replaces nodes some time before they expire. */
  expiryReplacement: gate
    .extend({
      leadTimeSeconds: within(60).exactOptional(),
      maxNodes: count.exactOptional(),
      /** Of what the replacement may cost, in percent of the node's price. */
      maxPricePercent: within(1, 1_000)
        .refine(Number.isInteger, { message: 'a whole number is expected' })
        .exactOptional(),
    })
    .exactOptional(),
  /** Drains nodes whose pods fit elsewhere; each setting wins over the EvictorConfig's. */
  evictor: evictorSettings
    .extend({
      nodeGracePeriodMinutes: within(0, 525_600).exactOptional(),
      maxNodesToEvictPerCycle: count.exactOptional(),
    })
    .exactOptional(),
  /** Autoscaling policies; each setting wins over the AutoscalerPolicy's. */
  policies: policySettings(whole).exactOptional(),
  liveMigration: gate
    .extend({ answerTimeoutSeconds: seconds.exactOptional(), timeoutSeconds: seconds.exactOptional() })
    .exactOptional(),
  /** Placeholders, pins and the scheduler extender. */
  podPinner: gate.exactOptional(),
  /** Pins at admission. */
  podPinnerWebhook: gate.exactOptional(),
  /** Pins by an admission policy in the place of both. */
  softPins: gate.exactOptional(),
});

export type Features = z.output<typeof schema>;
export type Feature = keyof Features;

/** The features of a ConfigMap, or why it can't be read. Unknown settings are listed and ignored. */
export type ParsedFeatures =
  | { readonly ok: true; readonly features: Features; readonly unknown: readonly string[] }
  | { readonly ok: false; readonly problem: string };

type Tree = { readonly [key: string]: unknown };

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A tree without keys that have no value, such as `rebalancer:`. */
const withoutNulls = (tree: Tree): Tree =>
  Object.fromEntries(
    Object.entries(tree)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, isTree(value) ? withoutNulls(value) : value]),
  );

const merge = (base: Tree, override: Tree): Tree =>
  Object.fromEntries(
    [...new Set([...Object.keys(base), ...Object.keys(override)])].map((key) => {
      const [a, b] = [valueAt(base, key), valueAt(override, key)];
      if (isTree(a) && isTree(b)) return [key, merge(a, b)];
      return [key, Object.hasOwn(override, key) ? b : a];
    }),
  );

/** Merges features; a later one wins, setting by setting. */
export const mergeFeatures = (features: readonly Features[]): Features =>
  features.reduce<Tree>(merge, {}) as unknown as Features;

const unknownPaths = (raw: Tree, read: Tree, path: string): string[] =>
  Object.entries(raw).flatMap(([key, value]) => {
    const inner = valueAt(read, key);
    if (!Object.hasOwn(read, key)) return [`${path}${key}`];
    return isTree(value) && isTree(inner) ? unknownPaths(value, inner, `${path}${key}.`) : [];
  });

/** Reads the YAML under a key. Throws DocumentError with a sentence that names the key. */
const readValue = (key: string, text: string): unknown => {
  try {
    return readYaml(text, MAX_BYTES);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    throw new DocumentError(`${key} ${error.message}`, { cause: error });
  }
};

const readDocument = (text: string): Tree => {
  const raw = readValue(CONFIG_KEY, text) ?? {};
  if (!isTree(raw)) throw new DocumentError(`${CONFIG_KEY} holds no map of features`);
  return withoutNulls(raw);
};

/** A tree from a dotted path and its value. */
const nest = (path: string, value: unknown): Tree =>
  path.split('.').reduceRight<unknown>((inner, key) => Object.fromEntries([[key, inner]]), value) as Tree;

/** Refuses data that would take long to read, before any of it is parsed. Throws DocumentError. */
const checkSize = (data: Readonly<Record<string, string>>): void => {
  const entries = Object.entries(data);
  if (entries.length > MAX_KEYS)
    throw new DocumentError(`it has ${entries.length} keys; at most ${MAX_KEYS} are read`);
  const size = entries.reduce((sum, [key, text]) => sum + Buffer.byteLength(key + text), 0);
  if (size > MAX_BYTES) throw new DocumentError(`it has ${size} bytes; at most ${MAX_BYTES} are read`);
};

const readData = (data: Readonly<Record<string, string>>): Tree => {
  checkSize(data);
  return Object.entries(data)
    .toSorted(([a], [b]) => Number(b === CONFIG_KEY) - Number(a === CONFIG_KEY))
    .map(([key, text]) => {
      if (key === CONFIG_KEY) return readDocument(text);
      const value = readValue(key, text) ?? undefined;
      return value === undefined ? {} : withoutNulls(nest(key, value));
    })
    .reduce<Tree>(merge, {});
};

const issueText = (issue: z.core.$ZodIssue): string => {
  const inner = issue.code === 'invalid_union' ? issue.errors.flat().at(-1)?.message : undefined;
  return `${issue.path.join('.')}: ${inner ?? issue.message}`;
};

/** Reads the features in a ConfigMap's data. */
export const parseFeatures = (data: Readonly<Record<string, string>> | undefined): ParsedFeatures => {
  let raw: Tree;
  try {
    raw = readData(data ?? {});
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return { ok: false, problem: error.message };
  }
  const result = schema.safeParse(raw);
  if (!result.success) return { ok: false, problem: result.error.issues.map(issueText).join('; ') };
  return { ok: true, features: result.data, unknown: unknownPaths(raw, result.data, '') };
};

/** Whether a feature is on; `otherwise` when no ConfigMap sets it. */
export const isEnabled = (features: Features, feature: Feature, otherwise: boolean): boolean =>
  features[feature]?.enabled ?? otherwise;
