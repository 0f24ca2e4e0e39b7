import { z } from 'zod';
import type { KubeObject } from '../objects.ts';
import { atLeast } from './evictorconfig.ts';
import {
  checked,
  POLICY_DEFAULTS as D,
  nodeConstraintsOf,
  otherwise,
  type WholeNumber,
} from './nodeconstraints.ts';
import { conditions, text, time } from './schema.ts';

/**
 * The autoscaling policies of a cluster: the spec of its AutoscalerPolicy, the body of the policies API, and the section
 * `policies` of the features ConfigMap. See docs/designs/0046-autoscaling-policies.md.
 */

/** Name of the only AutoscalerPolicy. */
export const AUTOSCALER_POLICY = 'default';

const MAX_CORES = 10_000_000;
const MAX_SECONDS = 31_536_000;

const flag = z.boolean().exactOptional();

const headroomOf = (whole: WholeNumber, nodes: string) =>
  z
    .object({
      enabled: flag,
      cpuPercentage: whole(0, 100)
        .exactOptional()
        .meta({ description: `Percent of the cores of ${nodes}; 10 by default.` }),
      memoryPercentage: whole(0, 100)
        .exactOptional()
        .meta({ description: `Percent of the memory of ${nodes}; 10 by default.` }),
    })
    .exactOptional();

const unschedulablePodsOf = (whole: WholeNumber) =>
  z.object({
    enabled: flag.meta({ description: 'Buys nodes for pods that only lack room; false by default.' }),
    mode: z.enum(['plan', 'single']).exactOptional().meta({
      description:
        'plan, the default: the cheapest set of nodes at once. single: one node, and the next when it has joined.',
    }),
    headroom: headroomOf(whole, 'on-demand nodes'),
    headroomSpot: headroomOf(whole, 'spot nodes'),
    capacityBuffers: z
      .object({
        enabled: flag.meta({
          description:
            'Serves CapacityBuffers of autoscaling.x-k8s.io that no other controller serves; false by default.',
        }),
      })
      .exactOptional()
      .meta({ description: 'Room that is kept free for pods to come, in chunks of one pod.' }),
    nodeConstraints: nodeConstraintsOf(whole)
      .exactOptional()
      .meta({ description: 'Bounds of the nodes that are bought.' }),
  });

const clusterLimitsOf = (whole: WholeNumber) =>
  z.object({
    enabled: flag,
    cpu: checked(
      z.object({
        minCores: whole(0, MAX_CORES)
          .exactOptional()
          .meta({ description: 'Cores of all nodes below which no node is removed; 0 by default.' }),
        maxCores: whole(1, MAX_CORES).exactOptional().meta({
          description: 'Cores of all nodes above which none is bought; without it there is no end.',
        }),
      }),
      [
        {
          holds: ({ minCores = D.minCores, maxCores }) => maxCores === undefined || minCores <= maxCores,
          rule: `!has(self.maxCores) || ${otherwise('minCores', D.minCores)} <= self.maxCores`,
          message: 'minCores is above maxCores',
          field: 'minCores',
        },
      ],
    ).exactOptional(),
  });

const MAX_RULES = 100;
const NAMESPACE = /^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$/;

const spotPodsOf = (whole: WholeNumber) =>
  z.object({
    enabled: flag.meta({
      description: 'Sends new pods to spot or on-demand at admission, by these rules; false by default.',
    }),
    mode: z.enum(['preferred', 'required']).exactOptional().meta({
      description:
        'preferred, the default: pods for spot run on demand where there is no spot. required: they wait for spot. Pods for on-demand never run on spot.',
    }),
    rules: z
      .array(
        z.object({
          namespaces: z
            .array(z.string().min(1).max(63).regex(NAMESPACE))
            .min(1)
            .max(MAX_RULES)
            .meta({ description: 'Names of namespaces, or * for all but those of the system.' }),
          percentage: whole(0, 100).meta({
            description:
              'Percent of the pods of each workload that go to spot at most; the others go to on-demand.',
          }),
          jobs: flag.meta({ description: 'Whether pods of Jobs count, too; false by default.' }),
        }),
      )
      .max(MAX_RULES)
      .exactOptional()
      .meta({
        description:
          'The first rule that names a namespace counts. The annotation scheduling.cast.ai/spot-percentage on the pods of a workload wins over them.',
      }),
  });

const spotInstancesOf = (whole: WholeNumber) =>
  checked(
    z.object({
      enabled: flag,
      interruptionTolerance: z.enum(['costEfficient', 'leastInterrupted']).exactOptional().meta({
        description:
          'costEfficient, the default: the cheapest. leastInterrupted: not what was refused or taken back lately, while other spot with as much room costs at most half more.',
      }),
      maxReclaimRate: whole(0, 100).exactOptional().meta({
        description:
          'Another way to say interruptionTolerance: 0 is costEfficient, more is leastInterrupted.',
      }),
      spotBackups: z
        .object({
          enabled: flag.meta({ description: 'Buys on-demand nodes while there are no spot ones.' }),
          spotBackupRestoreRateSeconds: whole(60, MAX_SECONDS)
            .exactOptional()
            .meta({ description: 'Time from one look for spot capacity to the next; 1800 by default.' }),
        })
        .exactOptional(),
      spotDiversityEnabled: flag,
      spotDiversityPriceIncreaseLimitPercent: whole(1, 1_000)
        .exactOptional()
        .meta({ description: 'By how much more diverse nodes may cost; 20 by default.' }),
      spotPods: spotPodsOf(whole).exactOptional(),
    }),
    [
      {
        holds: ({ interruptionTolerance: tolerance, maxReclaimRate: rate }) =>
          tolerance === undefined || rate === undefined || (tolerance === 'leastInterrupted') === rate > 0,
        rule: "!has(self.interruptionTolerance) || !has(self.maxReclaimRate) || (self.interruptionTolerance == 'leastInterrupted') == (self.maxReclaimRate > 0)",
        message: 'maxReclaimRate says the opposite of interruptionTolerance',
        field: 'maxReclaimRate',
      },
    ],
  );

const nodeDownscalerOf = (whole: WholeNumber) =>
  z.object({
    enabled: flag,
    emptyNodes: z
      .object({
        enabled: flag.meta({ description: 'Deletes nodes without pods; false by default.' }),
        delaySeconds: whole(0, MAX_SECONDS)
          .exactOptional()
          .meta({ description: 'Time for which an empty node is kept; 300 by default.' }),
      })
      .exactOptional(),
    evictor: z
      .object({
        enabled: flag.meta({ description: 'Drains nodes whose pods fit elsewhere; an EvictorConfig wins.' }),
        dryRun: flag,
        aggressiveMode: flag,
        scopedMode: flag,
        ignorePodDisruptionBudgets: flag,
        cycleInterval: atLeast('1s', 'Time from one cycle to the next; 1m by default.'),
        nodeGracePeriodMinutes: whole(0, 525_600).exactOptional(),
        podEvictionFailureBackOffInterval: atLeast('1s', 'Wait after a refused eviction of a pod.'),
        allowed: flag.meta({ description: 'Taken and without a meaning.' }),
        status: text.exactOptional().meta({ description: 'Taken and without a meaning.' }),
      })
      .exactOptional(),
  });

/** All settings, with whole numbers as the place where they are written has them. */
export const policySettings = (whole: WholeNumber) =>
  z.object({
    enabled: flag.meta({ description: 'Without it no policy is in force; false by default.' }),
    isScopedMode: flag.meta({
      description:
        'Buys only for pods that select provisioner.cast.ai/managed-by=cast.ai, or scheduling.cast.ai/scoped-autoscaler=true, and tolerate the taint scheduling.cast.ai/scoped-autoscaler:NoSchedule of what is bought; deletes only nodes that we bought. Plans that nobody asked for replace only nodes with that taint.',
    }),
    clusterLimits: clusterLimitsOf(whole).exactOptional(),
    horizontalPodAutoscaler: z
      .object({ enabled: flag })
      .exactOptional()
      .meta({ description: 'Counts pods that HorizontalPodAutoscalers are about to add.' }),
    unschedulablePods: unschedulablePodsOf(whole).exactOptional(),
    spotInstances: spotInstancesOf(whole).exactOptional(),
    nodeDownscaler: nodeDownscalerOf(whole).exactOptional(),
  });

export const autoscalerPolicySpec = policySettings((min, max) => z.int().min(min).max(max));

/** What one policy does. */
const report = z.object({
  state: z.enum(['Acting', 'Idle', 'Off', 'Held']).meta({
    description: 'Held: its settings turn it on, and something keeps it from acting.',
  }),
  message: text.exactOptional().meta({ description: 'Why it does nothing, or what it does now.' }),
  lastAction: text.exactOptional(),
  lastActionTime: time.exactOptional(),
});

/** The policies, in the order in which they are handled. */
export const POLICIES = [
  'clusterLimits',
  'horizontalPodAutoscaler',
  'unschedulablePods',
  'spotInstances',
  'emptyNodes',
  'evictor',
] as const;
export type PolicyName = (typeof POLICIES)[number];

const status = z.object({
  active: text.exactOptional().meta({ description: 'Policies that are in force.' }),
  lastAction: text.exactOptional().meta({ description: 'What was done last by any policy.' }),
  lastActionTime: time.exactOptional(),
  policies: z
    .object({
      clusterLimits: report.exactOptional(),
      horizontalPodAutoscaler: report.exactOptional(),
      unschedulablePods: report.exactOptional(),
      spotInstances: report.exactOptional(),
      emptyNodes: report.exactOptional(),
      evictor: report.exactOptional(),
    } satisfies Record<PolicyName, z.ZodType>)
    .exactOptional(),
  observedGeneration: z.int().exactOptional(),
  conditions: conditions.exactOptional(),
});

export const autoscalerPolicy = z.object({ spec: autoscalerPolicySpec, status: status.exactOptional() });

export type AutoscalerPolicySpec = z.output<typeof autoscalerPolicySpec>;
export type AutoscalerPolicyStatus = z.output<typeof status>;
export type PolicyReport = z.output<typeof report>;

/** The autoscaling policies of the cluster, and what each did last. */
export interface AutoscalerPolicy extends KubeObject {
  readonly spec: AutoscalerPolicySpec;
  readonly status?: AutoscalerPolicyStatus;
}
