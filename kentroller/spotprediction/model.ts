import { LOW_SCORE } from './placement/scores.ts';
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
  /** EC2's spot placement score of its family in its zone, 1 to 10; left out where nobody knows it. */
  readonly placementScore?: number;
}

export const WEIGHTS = {
  bias: -5.351,
  recommendation: 6.483,
  interruptions: 0.311,
  refusals: 0.885,
  priceRise: 8.776,
  /**
   * Given, not fitted: the lowest score triples the odds, since AWS says that scores do not tell of interruptions. See
   * docs/designs/0068-spot-placement-scores.md.
   */
  lowScore: 1.1,
} as const;

export type Weights = { readonly [K in keyof typeof WEIGHTS]: number };

/** What a recommendation of this age is worth, 0 to 1: less and less, since most that come true do so within the horizon. */
const recommendationWorth = (ageMs: number): number => {
  const left = 1 - ageMs / HORIZON_MS;
  return left > 0 ? Math.max(0, 1 + Math.log(left) / 4) : 0;
};

/** How low a score is, 0 to 1; 0 where it is not low, or nobody knows it. */
const lowness = (score = LOW_SCORE + 1): number =>
  Math.min(Math.max(0, LOW_SCORE + 1 - score) / LOW_SCORE, 1);

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
    lowScore: rest * lowness(e.placementScore),
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
  const market =
    weights.interruptions * inputs.interruptions +
    weights.refusals * inputs.refusals +
    weights.priceRise * inputs.priceRise;
  // A score tells of the same market: it stands in for what is not heard, and adds nothing to what is.
  const sum =
    weights.bias +
    weights.recommendation * inputs.recommendation +
    Math.max(market, weights.lowScore * inputs.lowScore);
  return 1 / (1 + Math.exp(-sum));
};
