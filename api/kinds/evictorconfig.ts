import { z } from 'zod';
import { parseDuration } from '../duration.ts';
import type { KubeObject } from '../objects.ts';
import {
  conditions,
  duration,
  key,
  labelMap,
  labelValue,
  MAX_PLAN_NODES,
  name,
  text,
  time,
} from './schema.ts';

/** The evictor's settings: the spec of its EvictorConfig, and the section `evictor` of the features ConfigMap. */

/** Name of the only EvictorConfig. */
export const EVICTOR_CONFIG = 'default';

const flag = z.boolean().exactOptional();

const selector = z.object({
  matchLabels: labelMap.exactOptional(),
  matchExpressions: z
    .array(
      z.object({
        key,
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(labelValue).max(100).exactOptional(),
      }),
    )
    .max(100)
    .exactOptional(),
});

const ONE_SELECTOR = 'a rule takes podSelector or nodeSelector, one of them';
const ONE_EFFECT = 'a rule sets aggressive, disposable or removalDisabled to true';

const rule = z
  .object({
    podSelector: selector
      .extend({ namespaces: z.array(z.string().min(1).max(63)).max(100).exactOptional() })
      .exactOptional()
      .meta({
        description: 'Pods by label, in these namespaces; all pods of the namespaces without labels.',
      }),
    nodeSelector: selector.exactOptional().meta({ description: 'Nodes by label, with all their pods.' }),
    aggressive: flag.meta({
      description: 'These pods may be evicted though no other one of their workload is ready, or from a Job.',
    }),
    disposable: flag.meta({ description: 'As aggressive, and without a controller that makes another pod.' }),
    removalDisabled: flag.meta({ description: 'These pods and nodes stay; it wins over the other two.' }),
  })
  .refine((r) => (r.podSelector === undefined) !== (r.nodeSelector === undefined), { message: ONE_SELECTOR })
  .refine((r) => r.aggressive === true || r.disposable === true || r.removalDisabled === true, {
    message: ONE_EFFECT,
  })
  .meta({
    'x-kubernetes-validations': [
      { rule: 'has(self.podSelector) != has(self.nodeSelector)', message: ONE_SELECTOR },
      {
        rule: '(has(self.aggressive) && self.aggressive) || (has(self.disposable) && self.disposable) || (has(self.removalDisabled) && self.removalDisabled)',
        message: ONE_EFFECT,
      },
    ],
  });

/** A duration of at least so long, and at most where that is given; the API server and the ConfigMap's reader hold to the same. */
const between = (least: string, most: string | undefined, description: string) => {
  const message = most ? `${least} to ${most} is expected` : `at least ${least} is expected`;
  const upper = most === undefined ? '' : ` && duration(self) <= duration('${most}')`;
  const longest = parseDuration(most ?? '') ?? Number.POSITIVE_INFINITY;
  return duration
    .refine(
      (value) => {
        const ms = parseDuration(value) ?? -1;
        return ms >= (parseDuration(least) ?? 0) && ms <= longest;
      },
      { message },
    )
    .exactOptional()
    .meta({
      description,
      'x-kubernetes-validations': [{ rule: `duration(self) >= duration('${least}')${upper}`, message }],
    });
};

export const atLeast = (least: string, description: string) => between(least, undefined, description);

export const evictorSettings = z.object({
  enabled: flag.meta({ description: 'Drains nodes whose pods fit elsewhere; false by default.' }),
  dryRun: flag.meta({
    description: 'Says in events, metrics and status what it would drain, and drains nothing.',
  }),
  aggressiveMode: flag.meta({
    description: 'Also evicts pods of which no other one is ready, and pods of Jobs; false by default.',
  }),
  scopedMode: flag.meta({
    description: 'Drains no nodes but those with the taint scheduling.cast.ai/scoped-autoscaler.',
  }),
  ignorePodDisruptionBudgets: flag.meta({
    description:
      'Drains nodes though a PodDisruptionBudget allows no eviction, and deletes what is left after drainTimeout.',
  }),
  cycleInterval: atLeast('1s', 'Time from one cycle to the next; 1m by default.'),
  nodeGracePeriodMinutes: z
    .int()
    .min(0)
    .max(525_600)
    .exactOptional()
    .meta({ description: 'Age of a node before it may be drained; 5 by default.' }),
  maxNodesToEvictPerCycle: z
    .int()
    .min(1)
    .max(MAX_PLAN_NODES)
    .exactOptional()
    .meta({ description: 'Most nodes that one cycle drains; 20 by default.' }),
  drainTimeout: atLeast('1s', 'Longest time to drain a node, then it is opened again; 10m by default.'),
  podEvictionFailureBackOff: atLeast(
    '1s',
    'Wait after a refused eviction of a pod, doubled up to 15s; 5s by default.',
  ),
  podEvictionCooldown: between(
    '0s',
    '24h',
    'Time for which a pod that was moved is not moved again, nor its old node filled or drained; 1h by default.',
  ),
  rules: z
    .array(rule)
    .max(100)
    .exactOptional()
    .meta({ description: 'Exceptions for single pods and nodes; all that match count.' }),
});

const status = z.object({
  lastCycleTime: time.exactOptional(),
  outcome: text.exactOptional().meta({ description: 'What the last cycle did, or why it did nothing.' }),
  plans: z
    .array(name)
    .max(100)
    .exactOptional()
    .meta({ description: 'Plans of the last cycle that drained.' }),
  nodes: z
    .array(z.object({ name, pods: z.int() }))
    .max(MAX_PLAN_NODES)
    .exactOptional()
    .meta({ description: 'Nodes that the last cycle drains, or would drain, with the pods that move.' }),
  skippedNodes: z
    .array(z.object({ name, reasons: z.array(text).max(10) }))
    .max(100)
    .exactOptional()
    .meta({ description: 'Nodes that the last cycle left alone, and why.' }),
  observedGeneration: z.int().exactOptional(),
  conditions: conditions.exactOptional(),
});

export const evictorConfig = z.object({ spec: evictorSettings, status: status.exactOptional() });

export type EvictorSpec = z.output<typeof evictorSettings>;
export type EvictorRule = z.output<typeof rule>;
export type EvictorStatus = z.output<typeof status>;

/** The evictor's settings for the cluster, and what its last cycle did. */
export interface EvictorConfig extends KubeObject {
  readonly spec: EvictorSpec;
  readonly status?: EvictorStatus;
}
