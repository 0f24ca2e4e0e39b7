import { randomFrom } from '../../planner/search/random.ts';

/** Random choices that depend on a seed alone. */
export interface Dice {
  readonly roll: () => number;
  readonly below: (n: number) => number;
  readonly chance: (p: number) => boolean;
  readonly pick: <T>(list: readonly T[]) => T;
}

/** Creates dice from a seed. */
export const diceFrom = (seed: number): Dice => {
  const roll = randomFrom(seed);
  const below = (n: number): number => Math.floor(roll() * n);
  return {
    roll,
    below,
    chance: (p) => roll() < p,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
  };
};
