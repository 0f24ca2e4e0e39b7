import type { Configuration } from './scores.ts';

/** Time between two readings of one family; AWS does not count the same configuration again. */
export const ASK_EVERY_MS = 15 * 60_000;

/** A family to ask for, with the types of its configuration. */
export interface Question {
  readonly family: string;
  readonly types: readonly string[];
}

export interface PlacementState {
  /** Families of spot nodes, the most important first. */
  readonly inUse: readonly string[];
  /** Types that are sold as spot, by family, of families that can have scores. */
  readonly types: ReadonlyMap<string, readonly string[]>;
  /** Configurations that AWS still counts. */
  readonly known: readonly Configuration[];
  /** How many configurations there may be within a day. */
  readonly most: number;
  /** Before this time AWS takes no new configuration. */
  readonly noNewBefore: number;
  readonly now: number;
}

export interface PlacementDecision {
  /** What is due now: what AWS knows already first, since it is never refused. */
  readonly questions: readonly Question[];
  /** Families that scores are read of, now or later. */
  readonly asked: readonly string[];
  /** Families beyond the number that may be asked for within a day. */
  readonly leftOut: readonly string[];
  /** Families whose configuration AWS takes later. */
  readonly waiting: readonly string[];
  /** Families with too few types for a score that says anything. */
  readonly tooFew: readonly string[];
}

/** Which families EC2 is asked for now. A configuration is asked for again as it was, and counts for a day after its last use. */
export const decidePlacement = (state: PlacementState): PlacementDecision => {
  const { known, most, now } = state;
  const byFamily = new Map(known.map((each) => [each.family, each]));
  const canHave = (family: string): boolean => byFamily.has(family) || state.types.has(family);
  const wanted = state.inUse.filter(canHave);
  const old = wanted.filter((family) => byFamily.has(family)).slice(0, most);
  const room = Math.max(0, most - known.length);
  const fresh = wanted.filter((family) => !byFamily.has(family));
  const added = fresh.slice(0, room);
  const isWaiting = now < state.noNewBefore;
  const asked = [...old, ...(isWaiting ? [] : added)];
  const questions = asked.flatMap((family): Question[] => {
    const before = byFamily.get(family);
    if (before && now - before.askedAt < ASK_EVERY_MS) return [];
    return [{ family, types: before?.types ?? state.types.get(family) ?? [] }];
  });
  const counted = new Set([...old, ...added]);
  return {
    questions,
    asked,
    leftOut: wanted.filter((family) => !counted.has(family)),
    waiting: isWaiting ? added : [],
    tooFew: state.inUse.filter((family) => !canHave(family)),
  };
};
