import { z } from 'zod';
import type { KubeObject } from '../objects.ts';
import {
  aggressiveMode,
  condition,
  decimal,
  executionPolicy,
  name,
  quantityMap,
  requirement,
  stringMap,
  taint,
  time,
  timeouts,
  warning,
} from './schema.ts';

const nodeClaimSpec = z.object({
  nodeClassRef: z.object({ group: z.string(), kind: z.string(), name: z.string() }),
  requirements: z.array(requirement),
  resources: z.object({ requests: quantityMap.exactOptional() }).exactOptional(),
  taints: z.array(taint).exactOptional(),
  startupTaints: z.array(taint).exactOptional(),
  expireAfter: z.string().exactOptional(),
  terminationGracePeriod: z.string().exactOptional(),
});

const alternative = z.object({
  requirements: z.array(requirement),
  priceHourly: decimal.meta({
    description: 'USD per hour of the cheapest offering that this alternative allows.',
  }),
});

const nodeClaimToAdd = z.object({
  metadata: z.object({
    name,
    labels: stringMap.exactOptional(),
    annotations: stringMap.exactOptional(),
  }),
  spec: nodeClaimSpec,
  alternatives: z
    .array(alternative)
    .exactOptional()
    .meta({ description: 'What to try, in this order; the first is what the plan was made with.' }),
});

const podToMigrate = z.object({
  name,
  namespace: name,
  srcNode: z
    .string()
    .exactOptional()
    .meta({ description: 'Node that the pod runs on; empty for a pending pod.' }),
  dstNodeClaimName: name.meta({
    description: 'A NodeClaim that this plan adds, or one that is there already.',
  }),
  policy: z.enum(['Optional', 'Mandatory']).exactOptional(),
  owner: z
    .object({ kind: z.string(), name: z.string(), uid: z.string() })
    .exactOptional()
    .meta({ description: 'Controller of the pod: its next pod takes the slot that this entry stands for.' }),
});

const spec = z
  .object({
    execute: z
      .boolean()
      .default(false)
      .meta({ description: 'True lets the plan run; false keeps it to be looked at.' }),
    nodeClaimsToAdd: z.array(nodeClaimToAdd).exactOptional(),
    nodeClaimsToDelete: z.array(z.object({ nodeClaimName: name })).exactOptional(),
    podsToMigrate: z.array(podToMigrate).exactOptional(),
    aggressiveMode: aggressiveMode.exactOptional(),
    executionPolicy: executionPolicy.exactOptional(),
    timeouts: timeouts.exactOptional(),
  })
  .meta({ description: 'What the plan does: NodeClaims to add, NodeClaims to delete, pods to move.' });

const creationAttempt = z.object({
  instanceType: z.string(),
  nodeClaimName: z.string(),
  status: z.enum(['InProgress', 'Success', 'Failed']),
  description: z.string().exactOptional(),
  capacityType: z.string().exactOptional(),
  zone: z.string().exactOptional(),
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
  description: z.string().exactOptional(),
  migrationPlanName: z.string().exactOptional(),
  timestamp: time.exactOptional(),
});

const nodeCost = z.object({
  name: z.string(),
  instanceType: z.string(),
  isSpot: z.boolean(),
  milliCPU: z.int(),
  memoryMiB: z.int(),
  priceHourly: decimal,
  zone: z.string().exactOptional(),
  capacityType: z.string().exactOptional(),
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
  blueNodes: z.array(nodeCost).exactOptional().meta({ description: 'Nodes that the plan removes.' }),
  greenNodes: z.array(nodeCost).exactOptional().meta({ description: 'Nodes that the plan adds.' }),
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
  nodesCreation: z
    .record(z.string(), z.object({ name: z.string(), attempts: z.array(creationAttempt) }))
    .exactOptional(),
  nodesDeletion: z
    .record(z.string(), z.object({ name: z.string(), events: z.array(deletionEvent) }))
    .exactOptional(),
  failurePhase: z.enum(['Creation', 'Deletion']).exactOptional(),
  failureReason: z.string().exactOptional(),
  failureMessage: z.string().exactOptional(),
  savings: savings.exactOptional(),
  validatedSavings: savings.exactOptional(),
  nodePoolBudgets: z
    .array(z.object({ nodePoolName: z.string(), allowedDisruptions: z.int() }))
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
  warnings: z.array(warning).exactOptional(),
  observedGeneration: z.int().exactOptional(),
  conditions: z.array(condition).exactOptional(),
});

export const rebalancePlan = z.object({ spec, status: status.exactOptional() });

export type RebalancePlanSpec = z.output<typeof spec>;
export type RebalancePlanStatus = z.output<typeof status>;
export type PlanState = (typeof PLAN_STATES)[number];
export type NodeClaimToAdd = z.output<typeof nodeClaimToAdd>;
export type PodToMigrate = z.output<typeof podToMigrate>;
export type CreationAttempt = z.output<typeof creationAttempt>;
export type DeletionEvent = z.output<typeof deletionEvent>;
export type Savings = z.output<typeof savings>;
export type NodeCost = z.output<typeof nodeCost>;

/** One decision about the cluster: NodeClaims to add, NodeClaims to delete, pods to move. */
export interface RebalancePlan extends KubeObject {
  readonly spec: RebalancePlanSpec;
  readonly status?: RebalancePlanStatus;
}
