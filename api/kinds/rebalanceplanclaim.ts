import { z } from 'zod';
import type { KubeObject } from '../objects.ts';
import { mustGo } from './mustgo.ts';
import {
  aggressiveMode,
  conditions,
  decimal,
  executionPolicy,
  MAX_NODES,
  message,
  name,
  nodeSelector,
  percent,
  text,
  time,
  timeouts,
  warnings,
  word,
} from './schema.ts';

/** Plans of one decision. */
const MAX_PLANS = 1_000;

export const rebalancePlanClaimSpec = z
  .object({
    scope: z
      .object({
        nodeNames: z.array(name).min(1).max(MAX_NODES).exactOptional(),
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
    mustGo: mustGo.exactOptional().meta({
      description:
        'Why the nodes of scope.nodeNames must go, whether or not that saves money: a prediction, say, that they will be taken back. The plan replaces each whose pods have another place at no more than maxPricePercent; the others are in status.skippedNodes. Budgets, marks and PodDisruptionBudgets hold as for every plan.',
    }),
    minSavingsPercentage: percent.exactOptional(),
    executionPolicy: executionPolicy.exactOptional(),
    autoExecute: z.boolean().default(false).meta({
      description: 'True carries the plan out; false leaves it at Ready until spec.execute is set on it.',
    }),
    timeouts: timeouts.exactOptional(),
    aggressiveModeConfig: aggressiveMode.exactOptional(),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '!has(self.mustGo) || (has(self.scope) && has(self.scope.nodeNames))',
        message: 'mustGo takes scope.nodeNames: the nodes that must go',
      },
    ],
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
    .max(253)
    .exactOptional()
    .meta({ description: 'What a planner is asked under: the name that the plan will have.' }),
  planId: z.string().max(253).exactOptional(),
  rebalanceName: z.string().max(253).exactOptional(),
  rebalanceNames: z.array(z.string().max(253)).max(MAX_PLANS).exactOptional().meta({
    description: 'Names of all plans, where the decision was too large for one; rebalanceName is the first.',
  }),
  startTime: time.exactOptional().meta({
    description: 'When the search for a plan began; timeouts.planGenerationTimeout counts from here.',
  }),
  search: z
    .object({
      searches: z.int().min(0).meta({ description: 'Searches begun; a decision may take several.' }),
      rounds: z.int().min(0).meta({ description: 'Rounds of local search, in all searches.' }),
      elapsedSeconds: z.int().min(0).meta({ description: 'Seconds since startTime.' }),
      bestSavingsCostMonthly: decimal
        .exactOptional()
        .meta({ description: 'What the best answer so far saves, in USD per month.' }),
      lastUpdateTime: time,
    })
    .exactOptional()
    .meta({
      description: 'How far the search is, while the state is Generating; written every ten seconds.',
    }),
  selectedNodes: z.array(z.string().max(253)).max(MAX_NODES).exactOptional(),
  selectedNodesCount: z.int().exactOptional(),
  skippedNodes: z
    .array(z.object({ name: z.string().max(253), reasons: z.array(text).max(50) }))
    .max(MAX_NODES)
    .exactOptional(),
  projectedSavingsPercent: decimal.exactOptional(),
  errorMessage: message.exactOptional(),
  failureReason: word.exactOptional(),
  skippedReason: word.exactOptional(),
  skippedMessage: message.exactOptional(),
  warnings: warnings.exactOptional(),
  completionTime: time.exactOptional(),
  observedGeneration: z.int().exactOptional(),
  conditions: conditions.exactOptional(),
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
