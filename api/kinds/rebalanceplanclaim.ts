import { z } from 'zod';
import type { KubeObject } from '../objects.ts';
import {
  aggressiveMode,
  condition,
  decimal,
  executionPolicy,
  name,
  nodeSelector,
  percent,
  time,
  timeouts,
  warning,
} from './schema.ts';

export const rebalancePlanClaimSpec = z.object({
  scope: z
    .object({
      nodeNames: z.array(name).min(1).exactOptional(),
      nodeSelector: nodeSelector.exactOptional(),
    })
    .exactOptional()
    .meta({
      description: 'Nodes that the plan may replace; every node when left out.',
      'x-kubernetes-validations': [
        {
          rule: '!(has(self.nodeNames) && has(self.nodeSelector))',
          message: 'scope takes nodeNames or nodeSelector, not both',
        },
      ],
    }),
  nodeConstraints: z
    .object({
      maxNodes: z.int().min(1).max(2_147_483_647).exactOptional(),
      minAgeSeconds: z.int().min(0).max(2_147_483_647).exactOptional(),
      minClusterSize: z.int().min(0).max(2_147_483_647).exactOptional(),
    })
    .exactOptional(),
  minSavingsPercentage: percent.exactOptional(),
  executionPolicy: executionPolicy.exactOptional(),
  autoExecute: z.boolean().default(false).meta({
    description: 'True carries the plan out; false leaves it at Ready until spec.execute is set on it.',
  }),
  timeouts: timeouts.exactOptional(),
  aggressiveModeConfig: aggressiveMode.exactOptional(),
});

export const CLAIM_STATES = [
  'Pending',
  'Generating',
  'Ready',
  'Executing',
  'Completed',
  'Failed',
  'Skipped',
  'Canceled',
] as const;

const status = z.object({
  state: z.enum(CLAIM_STATES).exactOptional(),
  operationId: z
    .string()
    .exactOptional()
    .meta({ description: 'What a planner is asked under: the name that the plan will have.' }),
  planId: z.string().exactOptional(),
  rebalanceName: z.string().exactOptional(),
  rebalanceNames: z.array(z.string()).exactOptional().meta({
    description: 'Names of all plans, where the decision was too large for one; rebalanceName is the first.',
  }),
  startTime: time.exactOptional().meta({
    description: 'When the search for a plan began; timeouts.planGenerationTimeout counts from here.',
  }),
  selectedNodes: z.array(z.string()).exactOptional(),
  selectedNodesCount: z.int().exactOptional(),
  skippedNodes: z.array(z.object({ name: z.string(), reasons: z.array(z.string()) })).exactOptional(),
  projectedSavingsPercent: decimal.exactOptional(),
  errorMessage: z.string().exactOptional(),
  failureReason: z.string().exactOptional(),
  skippedReason: z.string().exactOptional(),
  skippedMessage: z.string().exactOptional(),
  warnings: z.array(warning).exactOptional(),
  completionTime: time.exactOptional(),
  observedGeneration: z.int().exactOptional(),
  conditions: z.array(condition).exactOptional(),
});

export const rebalancePlanClaim = z.object({ spec: rebalancePlanClaimSpec, status: status.exactOptional() });

export type RebalancePlanClaimSpec = z.output<typeof rebalancePlanClaimSpec>;
export type RebalancePlanClaimStatus = z.output<typeof status>;
export type ClaimState = (typeof CLAIM_STATES)[number];

/** One request to rebalance: made by a person, a schedule, or a prediction. */
export interface RebalancePlanClaim extends KubeObject {
  readonly spec: RebalancePlanClaimSpec;
  readonly status?: RebalancePlanClaimStatus;
}
