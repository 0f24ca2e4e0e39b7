import type { Features } from '../../api/features.ts';
import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import type { Options } from '../options.ts';

export type Mode = 'full' | 'drain-only' | 'delete-empty';

/** Settings of one continuous cycle; durations in milliseconds, money in USD. */
export interface ContinuousSettings {
  readonly enabled: boolean;
  readonly mode: Mode;
  readonly minNodeAgeMs: number;
  readonly minNodes: number;
  readonly maxNodes: number;
  readonly thresholdPercent: number;
  readonly thresholdMonthly: number;
  /** Least saving for moving a pod, as a fraction of the cost of an average pod. */
  readonly moveWeight: number;
  /** For so long a pod that was moved keeps its node from being replaced again. */
  readonly podMoveCooldownMs: number;
  readonly failureBackoffMs: number;
  readonly aggressive: NonNullable<RebalancePlanClaimSpec['aggressiveModeConfig']>;
}

/** Search steps of one cycle, of a quarter of a second each. */
export const searchDepth = (o: Options, f: Features): number =>
  f.continuousRebalancing?.maxBinarySearchDepth ?? o.continuousRebalancingMaxBinarySearchDepth;

/** Milliseconds from the end of one cycle to the start of the next. */
export const pollingPeriodMs = (o: Options, f: Features): number => {
  const seconds = f.continuousRebalancing?.pollingPeriodSeconds;
  return seconds === undefined ? o.continuousRebalancingPollingPeriod : seconds * 1000;
};

/** The options, overridden by the features ConfigMap. */
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
    podMoveCooldownMs:
      f.podMoveCooldownSeconds === undefined
        ? o.continuousRebalancingPodMoveCooldown
        : f.podMoveCooldownSeconds * 1000,
    failureBackoffMs:
      f.failureBackoffSeconds === undefined
        ? o.continuousRebalancingFailureBackoffDuration
        : f.failureBackoffSeconds * 1000,
    aggressive: (f.aggressiveModeConfig ?? {}) as ContinuousSettings['aggressive'],
  };
};
