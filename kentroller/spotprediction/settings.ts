import type { z } from 'zod';
import { type Features, isEnabled } from '../../api/features.ts';
import type { spotPredictionOptions } from './options.ts';

type Options = {
  readonly [K in keyof ReturnType<typeof spotPredictionOptions>]: z.output<
    ReturnType<typeof spotPredictionOptions>[K]
  >;
};

/** Settings of one cycle; times in milliseconds. */
export interface PredictionSettings {
  readonly enabled: boolean;
  /** True records and scores predictions, and moves nothing. */
  readonly shadow: boolean;
  /** The model that the ML API is asked for; none where empty. */
  readonly modelName: string;
  readonly pollIntervalMs: number;
  readonly cooldownMs: number;
  /** Probability from which on a node is at risk, 0 to 1. */
  readonly threshold: number;
  /** Percent of the spot nodes that may be replaced at once. */
  readonly maxNodesPercent: number;
  /** Families whose spot placement scores may be asked for within a day; 0 asks for none. */
  readonly placementScoreFamilies: number;
}

const LEAST_POLL_MS = 1_000;

const millis = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000;

/** The options, overridden by the features ConfigMap. */
export const predictionSettings = (o: Options, features: Features): PredictionSettings => {
  const f = features.spotInterruptionPrediction ?? {};
  return {
    enabled: isEnabled(features, 'spotInterruptionPrediction', o.spotInterruptionPredictionEnabled),
    shadow: f.shadow ?? o.spotInterruptionPredictionShadow,
    modelName: f.modelName ?? o.spotInterruptionPredictionModelName,
    pollIntervalMs: Math.max(
      millis(f.pollIntervalSeconds) ?? o.spotInterruptionPredictionPollInterval,
      LEAST_POLL_MS,
    ),
    cooldownMs:
      millis(f.spotReplacementCooldownSeconds) ?? o.spotInterruptionPredictionSpotReplacementCooldown,
    threshold: f.interruptionThreshold ?? o.spotInterruptionPredictionInterruptionThreshold,
    maxNodesPercent: f.maxNodesPercent ?? o.spotInterruptionPredictionMaxNodesPercent,
    placementScoreFamilies: f.placementScoreFamilies ?? o.spotInterruptionPredictionPlacementScoreFamilies,
  };
};
