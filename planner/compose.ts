import { ConfigurationProgram, type Pattern, type Source } from './configuration.ts';
import { type FillOptions, openAndFill } from './fill.ts';
import type { Packing } from './packing.ts';

/** With more kinds of pods than this, filling nodes one by one is as good, and far quicker. */
const MAX_DIVE_SHAPES = 80;
const DIVE_ROUNDS = 4;
const FIRST_ROUNDS = 150;

/** Every column as a node that can be bought as often as wanted. */
export const sourcesOf = (o: FillOptions): Source[] =>
  o.columns.map((column) => ({ column, price: column.price, room: column.room, group: column.group }));

const buyPattern = (
  packing: Packing,
  left: Int32Array,
  shapes: readonly number[],
  pattern: Pattern,
  copies: number,
): number => {
  let made = 0;
  for (let copy = 0; copy < copies; copy += 1) {
    if (!packing.canBuy(pattern.column)) break;
    const node = packing.buy(pattern.column);
    let put = 0;
    pattern.rows.forEach((row, k) => {
      const shape = shapes[row] ?? -1;
      const n = packing.putUpTo(shape, node, Math.min(left[shape] ?? 0, pattern.values[k] ?? 0));
      left[shape] = (left[shape] ?? 0) - n;
      put += n;
    });
    if (put === 0) {
      packing.sell(node);
      break;
    }
    made += 1;
  }
  return made;
};

/** Part of a pattern that pods are still there for. */
const useful = (
  pattern: Pattern,
  left: Int32Array,
  shapes: readonly number[],
  worth: Float64Array,
): number => {
  let all = 0;
  let there = 0;
  pattern.rows.forEach((row, k) => {
    const shape = shapes[row] ?? -1;
    const value = worth[shape] ?? 0;
    all += value * (pattern.values[k] ?? 0);
    there += value * Math.min(left[shape] ?? 0, pattern.values[k] ?? 0);
  });
  return all > 0 ? there / all : 0;
};

/**
 * Buys nodes by the configuration program: whole numbers of a pattern at once, then the pattern that is nearest to a
 * whole one, solved again each time; the last pods one node at a time. Returns false when pods are left over.
 */
export const composeAndFill = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  prices: Float64Array,
  isOver: () => boolean,
): boolean => {
  const kinds = left.reduce((sum, n) => sum + (n > 0 ? 1 : 0), 0);
  if (kinds === 0) return true;
  if (kinds <= MAX_DIVE_SHAPES) {
    const program = new ConfigurationProgram(packing.problem, sourcesOf(o), left, prices);
    let rounds = FIRST_ROUNDS;
    while (!isOver() && left.some((n) => n > 0)) {
      const { use } = program.solve(isOver, rounds);
      rounds = DIVE_ROUNDS;
      let made = 0;
      for (const [pattern, amount] of use) {
        const whole = Math.floor(amount + 1e-3);
        if (whole > 0 && useful(pattern, left, program.shapes, o.worth) > 0.999) {
          made += buyPattern(packing, left, program.shapes, pattern, whole);
        }
      }
      if (made === 0) {
        const next = use
          .map(([pattern, amount]) => ({
            pattern,
            score: amount * useful(pattern, left, program.shapes, o.worth) ** 4,
          }))
          .sort((a, b) => b.score - a.score)[0];
        if (!next || next.score < 0.05) break;
        made = buyPattern(packing, left, program.shapes, next.pattern, 1);
      }
      if (made === 0) break;
      program.setDemand(left);
    }
  }
  return openAndFill(packing, left, o);
};

/**
 * Places pods on nodes to be bought, by the cheaper of two ways: one node at a time, which always comes to an answer,
 * or by the configuration program, while time is left. Returns false when pods are left over, which `left` then names.
 */
export const buyFor = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  isOver: () => boolean,
): boolean => {
  const wanted = Int32Array.from(left);
  packing.mark();
  const before = packing.cost();
  const simply = openAndFill(packing, left, o);
  const cost = packing.cost() - before;
  if (isOver()) {
    packing.keep();
    return simply;
  }
  packing.undo();
  const other = Int32Array.from(wanted);
  packing.mark();
  const composed = composeAndFill(packing, other, o, o.prices, isOver);
  if (composed === simply && packing.cost() - before < cost) {
    packing.keep();
    left.set(other);
    return composed;
  }
  packing.undo();
  left.set(wanted);
  return openAndFill(packing, left, o);
};
