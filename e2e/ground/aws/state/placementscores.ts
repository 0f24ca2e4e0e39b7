import type { MachineType } from '../catalogue/catalogue.ts';
import { matchesPattern } from '../ec2/filters.ts';
import type { SpotMarket } from './spotmarket.ts';

/** A score that a test gives to types, by a pattern of their names, in a zone. */
export interface GivenScore {
  readonly instanceType: string;
  readonly zoneId: string;
  /** 1 to 10. */
  readonly score: number;
}

/** Spot placement scores of the region; a test fills it. */
export interface PlacementScoreState {
  /** False in a region that does not know the action. */
  isServed: boolean;
  /** New configurations that the account may ask for in 24 hours. */
  mostConfigurations: number;
  given: readonly GivenScore[];
  /** Calls that were answered with scores. */
  answered: number;
  /** By configuration, when it was last asked for, in milliseconds since 1970. */
  readonly used: Map<string, number>;
}

const DAY_MS = 24 * 3_600_000;
/** What fewer than three types get at most: AWS says 'always low'. */
const MOST_OF_FEW = 3;
const FEW = 3;

/** Takes note of a configuration; false where the account may ask for no new one. */
export const useConfiguration = (state: PlacementScoreState, key: string, now: number): boolean => {
  for (const [each, at] of state.used) if (now - at >= DAY_MS) state.used.delete(each);
  if (!state.used.has(key) && state.used.size >= state.mostConfigurations) return false;
  state.used.set(key, now);
  return true;
};

/** The score of types in a zone: the lowest that a test gave to one of them, else by how much of their capacity is left. */
export const placementScore = (
  { given }: PlacementScoreState,
  market: SpotMarket,
  types: readonly MachineType[],
  { zone, zoneId }: { readonly zone: string; readonly zoneId: string },
): number => {
  const set = given
    .filter((each) => each.zoneId === zoneId)
    .filter((each) => types.some(({ name }) => matchesPattern(each.instanceType, name)))
    .map(({ score }) => score);
  const depths = types.map((type) => market.depth(type, zone));
  const mean = depths.reduce((sum, depth) => sum + depth, 0) / Math.max(1, depths.length);
  const score = set.length > 0 ? Math.min(...set) : 1 + Math.round(9 * mean);
  return types.length < FEW ? Math.min(score, MOST_OF_FEW) : score;
};
