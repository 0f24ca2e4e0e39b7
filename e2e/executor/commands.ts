import fc from 'fast-check';
import { surroundingActions } from './surroundings.ts';
import { userActions } from './user.ts';
import type { World } from './world.ts';

const actions = { ...userActions, ...surroundingActions };

/** One thing that happens to the cluster, and the time that passes after it. */
export class Happening implements fc.AsyncCommand<object, World> {
  readonly #name: keyof typeof actions;
  readonly #pick: number;
  readonly #variant: number;
  readonly #thenMs: number;

  constructor(name: keyof typeof actions, pick: number, variant: number, thenMs: number) {
    this.#name = name;
    this.#pick = pick;
    this.#variant = variant;
    this.#thenMs = thenMs;
  }

  check(): boolean {
    return true;
  }

  async run(_: object, world: World): Promise<void> {
    const text = actions[this.#name](world, this.#pick, this.#variant);
    if (text !== undefined) world.story.tell(`** ${text}`);
    world.check();
    await world.advance(this.#thenMs);
  }

  toString(): string {
    return `${this.#name}(${this.#pick}, ${this.#variant}), then ${this.#thenMs} ms`;
  }
}

const pauses = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 1_500 }) },
  { weight: 4, arbitrary: fc.integer({ min: 500, max: 15_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 10_000, max: 70_000 }) },
);

const WEIGHTS: Partial<Record<keyof typeof actions, number>> = {
  plan: 12,
  wait: 4,
  executeAll: 4,
  deletePlan: 2,
  cancel: 2,
};

/** Any history of at most `most` happenings. */
export const histories = (most: number): fc.Arbitrary<Iterable<fc.AsyncCommand<object, World>>> => {
  const names = Object.keys(actions) as (keyof typeof actions)[];
  const name = fc.oneof(
    ...names.map((each) => ({ weight: WEIGHTS[each] ?? 1, arbitrary: fc.constant(each) })),
  );
  const happening = fc
    .tuple(name, fc.nat(11), fc.nat(11), pauses)
    .map(([what, pick, variant, thenMs]) => new Happening(what, pick, variant, thenMs));
  return fc.commands([happening], { maxCommands: most, size: 'max' });
};
