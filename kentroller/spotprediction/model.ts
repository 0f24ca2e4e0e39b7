import { type Heard, HORIZON_MS, heardBy, INTERRUPTIONS } from './signal.ts';

/**
 * The model of our own: a logistic regression over what anybody can hear without a vendor. Its weights are fitted and its
 * calibration is measured on a replay, see docs/designs/0051-spot-prediction.md and calibration.test.ts.
 */

export const BUILTIN_MODEL = 'builtin';

/** What is known of one node and of its offering. */
export interface Evidence {
  readonly heard: Heard;
  /** Interruptions of the offering, each worth less the older it is. */
  readonly interruptions: number;
  /** Refusals of the offering for want of capacity that still count. */
  readonly refusals: number;
  /** By how much the offering's price is above its usual one, such as 0.2. */
  readonly priceRise: number;
}

export const WEIGHTS = {
  bias: -5.351,
  recommendation: 6.483,
  interruptions: 0.311,
  refusals: 0.885,
  priceRise: 8.776,
} as const;

export type Weights = { readonly [K in keyof typeof WEIGHTS]: number };

/** What a recommendation of this age is worth, 0 to 1: less and less, since most that come true do so within the horizon. */
const recommendationWorth = (ageMs: number): number => {
  const left = 1 - ageMs / HORIZON_MS;
  return left > 0 ? Math.max(0, 1 + Math.log(left) / 4) : 0;
};

/**
 * Inputs of the regression, by the name of their weight. What a recommendation says of a machine takes the place of what is
 * known of its market, which led to it.
 */
export const inputsOf = (e: Evidence, now: number): Omit<Weights, 'bias'> => {
  const recommendedAt = heardBy(e.heard, now)['rebalance-recommendation'];
  const recommendation =
    recommendedAt === undefined ? 0 : recommendationWorth(Math.max(0, now - recommendedAt));
  const rest = 1 - recommendation;
  return {
    recommendation,
    interruptions: rest * Math.log1p(Math.max(0, e.interruptions)),
    refusals: rest * Math.log1p(Math.max(0, e.refusals)),
    priceRise: rest * Math.min(Math.max(0, e.priceRise), 1),
  };
};

/** Probability that a cloud which has announced the end of a machine keeps its word. */
const ANNOUNCED = 0.99;

/** The probability, 0 to 1, that a node is taken back within the horizon. */
export const interruptionProbability = (e: Evidence, now: number, weights: Weights = WEIGHTS): number => {
  const heard = heardBy(e.heard, now);
  const isAnnounced = [...INTERRUPTIONS].some((kind) => {
    const at = heard[kind];
    return at !== undefined && now - at < HORIZON_MS;
  });
  if (isAnnounced) return ANNOUNCED;
  const inputs = inputsOf(e, now);
  const sum =
    weights.bias +
    weights.recommendation * inputs.recommendation +
    weights.interruptions * inputs.interruptions +
    weights.refusals * inputs.refusals +
    weights.priceRise * inputs.priceRise;
  return 1 / (1 + Math.exp(-sum));
};
