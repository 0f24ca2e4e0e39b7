import type { PredictionSettings } from '../settings.ts';
import type { PlacementScores } from './scores.ts';

const NONE: ReadonlySet<string> = new Set();

/** Families and zones, 'family/zone', where spot is hard to get, for plans to pass over; none in a shadow, which moves nothing. */
export const scarceSpot = (
  { enabled, shadow, placementScoreFamilies }: PredictionSettings,
  scores: PlacementScores,
  now: number,
): ReadonlySet<string> => (enabled && !shadow && placementScoreFamilies > 0 ? scores.low(now) : NONE);
