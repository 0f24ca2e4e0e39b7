import type { Features } from '../../api/features.ts';
import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import type { Options } from '../options.ts';

export type Mode = 'full' | 'drain-only' | 'delete-empty';

/** How the continuous cycle works now; times in milliseconds, money in USD. */
export interface ContinuousSettings {
  readonly enabled: boolean;
  readonly mode: Mode;
  readonly minNodeAgeMs: number;
  readonly minNodes: number;
  readonly maxNodes: number;
  readonly thresholdPercent: number;
  readonly thresholdMonthly: number;
  /** What moving a pod has to save at least, as a part of what an average pod costs. */
  readonly moveWeight: number;
  readonly failureBackoffMs: number;
  readonly aggressive: NonNullable<RebalancePlanClaimSpec['aggressiveModeConfig']>;
}

/** How deep a cycle searches. */
export const searchDepth = (o: Options, f: Features): number =>
  f.continuousRebalancing?.maxBinarySearchDepth ?? o.continuousRebalancingMaxBinarySearchDepth;

/** Milliseconds between two cycles. */
export const pollingPeriodMs = (o: Options, f: Features): number => {
  const seconds = f.continuousRebalancing?.pollingPeriodSeconds;
  return seconds === undefined ? o.continuousRebalancingPollingPeriod : seconds * 1000;
};

/** The options, with what the dynamic ConfigMap says on top. */
export const continuousSettings = (o: Options, features: Features): ContinuousSettings => {
  const f = features.continuousRebalancing ?? {};
  return {
    enabled:
      (f.enabled ?? o.continuousRebalancingEnabled) && (features.rebalancer?.enabled ?? o.rebalancerEnabled),
    mode: f.mode ?? o.continuousRebalancingMode,
    minNodeAgeMs:
      f.minNodeAgeSeconds === undefined ? o.continuousRebalancingMinNodeAge : f.minNodeAgeSeconds * 1000,
    minNodes: f.minNodesToConsider ?? o.continuousRebalancingMinNodesToConsider,
    maxNodes: f.maxNodesPerIteration ?? o.continuousRebalancingMaxNodesPerIteration,
    thresholdPercent: f.savingsThresholdPercent ?? o.continuousRebalancingSavingsThresholdPercent,
    thresholdMonthly: f.savingsThresholdCostMonthly ?? o.continuousRebalancingSavingsThresholdCostMonthly,
    moveWeight: f.moveWeight ?? o.continuousRebalancingMoveWeight,
    failureBackoffMs:
      f.failureBackoffSeconds === undefined
        ? o.continuousRebalancingFailureBackoffDuration
        : f.failureBackoffSeconds * 1000,
    aggressive: (f.aggressiveModeConfig ?? {}) as ContinuousSettings['aggressive'],
  };
};
