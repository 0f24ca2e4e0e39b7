import { z } from 'zod';
import { DRAIN_REASONS } from '../labels.ts';
import type { KubeObject } from '../objects.ts';
import { mustGo } from './mustgo.ts';
import {
  aggressiveMode,
  annotationMap,
  byName,
  conditions,
  decimal,
  duration,
  executionPolicy,
  labelMap,
  labelValue,
  MAX_PLAN_NODES,
  message,
  name,
  quantityMap,
  requirements,
  taints,
  text,
  time,
  timeouts,
  uid,
  warnings,
  word,
} from './schema.ts';

/** Pods that a plan moves. */
const MAX_PODS = 10_000;
/** Owners whose replicas one purchase counts. */
const MAX_EXPECTED_OWNERS = 200;
/** Attempts of a planned node, one an alternative. */
const MAX_ATTEMPTS = 100;
/** Events of a removed node. */
const MAX_DELETION_EVENTS = 200;

const nodeClaimSpec = z.object({
  nodeClassRef: z.object({ group: word, kind: word, name: z.string().max(253) }),
  requirements,
  resources: z.object({ requests: quantityMap.exactOptional() }).exactOptional(),
  taints: taints.exactOptional(),
  startupTaints: taints.exactOptional(),
  expireAfter: labelValue.exactOptional(),
  terminationGracePeriod: labelValue.exactOptional(),
});

const alternative = z.object({
  requirements,
  priceHourly: decimal.meta({
    description: 'USD per hour of the cheapest offering that this alternative allows.',
  }),
});

const nodeClaimToAdd = z.object({
  metadata: z.object({
    name,
    labels: labelMap.exactOptional(),
    annotations: annotationMap.exactOptional(),
  }),
  spec: nodeClaimSpec,
  alternatives: z.array(alternative).max(MAX_ATTEMPTS).exactOptional().meta({
    description:
      'What to try, in this order; the first is what the plan was made with. What one leaves out of its requirements is as spec has it.',
  }),
});

/** What a pod may be evicted past, beyond the plan's aggressive mode. */
const EVICT_AS = ['Aggressive', 'Disposable'] as const;
export type EvictAs = (typeof EVICT_AS)[number];

const podToMigrate = z
  .object({
    name,
    namespace: name,
    srcNode: z
      .string()
      .max(253)
      .exactOptional()
      .meta({ description: 'Node that the pod runs on; empty for a pending pod.' }),
    dstNodeClaimName: name.exactOptional().meta({
      description: 'A NodeClaim that this plan adds, or one that is there already.',
    }),
    dstNodeName: name.exactOptional().meta({
      description: 'A node that Karpenter does not own, in place of dstNodeClaimName.',
    }),
    dstNodeUID: uid.exactOptional().meta({
      description: 'UID of the node dstNodeName; a node that has its name later takes no pods of the plan.',
    }),
    policy: z.enum(['Optional', 'Mandatory']).exactOptional(),
    owner: z
      .object({ kind: word, name: z.string().max(253), uid })
      .exactOptional()
      .meta({
        description: 'Controller of the pod: its next pod takes the slot that this entry stands for.',
      }),
    evictAs: z.enum(EVICT_AS).exactOptional().meta({
      description:
        'What the pod may be evicted past: Aggressive, being the only ready one of its workload or of a Job; Disposable, having no controller, too.',
    }),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: 'has(self.dstNodeClaimName) != has(self.dstNodeName)',
        message: 'one of dstNodeClaimName and dstNodeName is expected',
      },
    ],
  });

const eviction = z
  .object({
    onlyReplicated: z.boolean().exactOptional().meta({
      description:
        'A pod without evictAs stays unless another one of its controller is ready on another node.',
    }),
    failureBackOff: duration
      .exactOptional()
      .meta({ description: 'Wait after a refused eviction of a pod; it doubles up to 15s.' }),
  })
  .meta({ description: 'How pods are evicted.' });

const spec = z
  .object({
    execute: z
      .boolean()
      .default(false)
      .meta({ description: 'True lets the plan run; false keeps it to be looked at.' }),
    nodeClaimsToAdd: z.array(nodeClaimToAdd).max(MAX_PLAN_NODES).exactOptional(),
    nodeClaimsToDelete: z
      .array(
        z.object({
          nodeClaimName: name,
          mustGo: mustGo.exactOptional().meta({
            description:
              'Why the node must go though that may save nothing; what takes its place may cost more, up to maxPricePercent.',
          }),
        }),
      )
      .max(MAX_PLAN_NODES)
      .exactOptional(),
    podsToMigrate: z.array(podToMigrate).max(MAX_PODS).exactOptional(),
    aggressiveMode: aggressiveMode.exactOptional(),
    eviction: eviction.exactOptional(),
    drainReason: z.enum(DRAIN_REASONS).exactOptional().meta({
      description:
        'Value of the label autoscaling.cast.ai/draining on nodes under drain; rebalancing by default.',
    }),
    executionPolicy: executionPolicy.exactOptional(),
    timeouts: timeouts.exactOptional(),
  })
  .meta({ description: 'What the plan does: NodeClaims to add, NodeClaims to delete, pods to move.' });

const creationAttempt = z.object({
  instanceType: labelValue,
  nodeClaimName: z.string().max(253),
  status: z.enum(['InProgress', 'Success', 'Failed']),
  description: text.exactOptional(),
  capacityType: labelValue.exactOptional(),
  zone: labelValue.exactOptional(),
  alternative: z
    .int()
    .exactOptional()
    .meta({ description: 'Which of the alternatives was ordered, counted from 0.' }),
  priceCapHourly: decimal
    .exactOptional()
    .meta({ description: 'USD per hour of the dearest offering that the order allowed.' }),
  timestamp: time.exactOptional(),
});

const deletionEvent = z.object({
  status: z.enum([
    'LiveMigrationCreated',
    'LiveMigrationInProgress',
    'LiveMigrationSucceeded',
    'LiveMigrationFailed',
    'InProgress',
    'Success',
    'Failed',
  ]),
  description: text.exactOptional(),
  migrationPlanName: z.string().max(253).exactOptional(),
  timestamp: time.exactOptional(),
});

const detachedPod = z.object({
  namespace: z.string().max(63),
  name: z.string().max(253),
  uid,
  hash: labelValue.meta({ description: 'Its label pod-template-hash.' }),
  replicaSet: z.object({ name: z.string().max(253), uid }),
});

const expectedPods = z.object({
  namespace: z.string().max(63),
  owner: z.object({ kind: word, name: z.string().max(253), uid }),
  count: z.int(),
});

const nodeCost = z.object({
  name: z.string().max(253),
  instanceType: labelValue,
  isSpot: z.boolean(),
  milliCPU: z.int(),
  memoryMiB: z.int(),
  priceHourly: decimal,
  zone: labelValue.exactOptional(),
  capacityType: labelValue.exactOptional(),
  nodePool: z
    .string()
    .max(253)
    .exactOptional()
    .meta({ description: 'NodePool of a removed node, whose NodeOverlays its price counts with.' }),
  maxPricePercent: z.int().exactOptional().meta({
    description: 'What may be spent in the place of a removed node that must go, in percent of its price.',
  }),
});

const savings = z.object({
  projectedSavingsPercent: decimal,
  projectedSavingsCostMonthly: decimal,
  currentMonthlyCost: decimal,
  projectedMonthlyCost: decimal,
  currentClusterMonthlyCost: decimal.exactOptional(),
  projectedClusterMonthlyCost: decimal.exactOptional(),
  lowerBoundMonthlyCost: decimal
    .exactOptional()
    .meta({ description: 'No plan for the same pods can cost less than this.' }),
  gapPercent: decimal.exactOptional().meta({ description: 'How far the plan is above the lower bound.' }),
  blueNodes: z
    .array(nodeCost)
    .max(MAX_PLAN_NODES)
    .exactOptional()
    .meta({ description: 'Nodes that the plan removes.' }),
  greenNodes: z
    .array(nodeCost)
    .max(MAX_PLAN_NODES)
    .exactOptional()
    .meta({ description: 'Nodes that the plan adds.' }),
});

export const PLAN_STATES = [
  'Created',
  'Pending',
  'Running',
  'Done',
  'DoneWithWarnings',
  'Failed',
  'Skipped',
  'Canceled',
  'Expired',
] as const;

const status = z.object({
  state: z.enum(PLAN_STATES).exactOptional(),
  specHash: z.string().max(64).exactOptional().meta({
    description:
      'SHA-256 of the spec without execute, as it was first shown; a plan whose spec differs is not executed.',
  }),
  startTime: time.exactOptional(),
  completionTime: time.exactOptional(),
  nodesCreation: byName(
    z.object({ name: z.string().max(253), attempts: z.array(creationAttempt).max(MAX_ATTEMPTS) }),
  ).exactOptional(),
  nodesDeletion: byName(
    z.object({ name: z.string().max(253), events: z.array(deletionEvent).max(MAX_DELETION_EVENTS) }),
  ).exactOptional(),
  failurePhase: z.enum(['Creation', 'Deletion']).exactOptional(),
  failureReason: word.exactOptional(),
  failureMessage: message.exactOptional(),
  savings: savings.exactOptional(),
  validatedSavings: savings.exactOptional(),
  nodePoolBudgets: z
    .array(z.object({ nodePoolName: z.string().max(253), allowedDisruptions: z.int() }))
    .max(1_000)
    .exactOptional(),
  achievedOutcome: z
    .object({
      podsPlanned: z.int().exactOptional(),
      podsPlaced: z.int().exactOptional(),
      monthlyCost: decimal.exactOptional(),
      savingsPercent: decimal.exactOptional(),
      savingsCostMonthly: decimal.exactOptional(),
      clusterMonthlyCost: decimal.exactOptional(),
    })
    .exactOptional()
    .meta({
      description:
        'Measured after the plan: pods where it put them, what its nodes and all nodes of the cluster cost now.',
    }),
  pinBaseline: z.record(z.string(), z.int()).exactOptional().meta({
    maxProperties: MAX_PODS,
    description: "Pods of each owner on the plan's existing destinations when it started.",
  }),
  expectedPods: z.array(expectedPods).max(MAX_EXPECTED_OWNERS).exactOptional().meta({
    description:
      'Replicas that were about to come when the plan was made, with room on nodes that it adds: nothing is bought for so many new pods of these owners while it runs.',
  }),
  detachedPods: z.array(detachedPod).max(MAX_PODS).exactOptional().meta({
    description: 'Pods that the plan detached, or is about to: the only ones of their Deployments.',
  }),
  warnings: warnings.exactOptional(),
  observedGeneration: z.int().exactOptional(),
  conditions: conditions.exactOptional(),
});

export const rebalancePlan = z.object({ spec, status: status.exactOptional() });

export type RebalancePlanSpec = z.output<typeof spec>;
export type RebalancePlanStatus = z.output<typeof status>;
export type PlanState = (typeof PLAN_STATES)[number];
export type NodeClaimToAdd = z.output<typeof nodeClaimToAdd>;
export type PodToMigrate = z.output<typeof podToMigrate>;
export type ExpectedPods = z.output<typeof expectedPods>;
export type DetachedPod = z.output<typeof detachedPod>;
export type CreationAttempt = z.output<typeof creationAttempt>;
export type DeletionEvent = z.output<typeof deletionEvent>;
export type Savings = z.output<typeof savings>;
export type NodeCost = z.output<typeof nodeCost>;

/** One decision about the cluster: NodeClaims to add, NodeClaims to delete, pods to move. */
export interface RebalancePlan extends KubeObject {
  readonly spec: RebalancePlanSpec;
  readonly status?: RebalancePlanStatus;
}
