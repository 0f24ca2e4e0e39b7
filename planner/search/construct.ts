import { ConfigurationProgram, type Pattern } from '../bound/columngeneration.ts';
import { distinct, perNodeLimits, type Source } from '../bound/pricingproblem.ts';
import type { OfferColumn } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';
import type { Problem } from '../packing/problem.ts';
import type { FillOptions } from './filloptions.ts';
import { openAndFill } from './greedy.ts';
import { rightsize } from './localsearch.ts';
import { type Content, Trial } from './scratchnode.ts';

/** With more kinds of pods than this, filling nodes one by one is as good, and far quicker. */
const MAX_DIVE_SHAPES = 80;
const DIVE_ROUNDS = 4;
const FIRST_ROUNDS = 150;

/** Every column as a node that can be bought as often as wanted. */
const sourcesOf = (problem: Problem, o: FillOptions): Source[] =>
  distinct(
    problem,
    o.columns.map((column) => ({
      column,
      price: column.price,
      podRisk: column.podRisk,
      room: column.room,
      group: column.group,
    })),
  );

/** The columns that are the same machine at the same price in other places. */
const twinsOf = (column: OfferColumn, columns: readonly OfferColumn[]): OfferColumn[] =>
  columns.filter(
    (other) =>
      other.offer.type === column.offer.type &&
      other.offer.pool === column.offer.pool &&
      other.price === column.price &&
      other.podRisk === column.podRisk,
  );

/** Buys copies of a pattern, each where most of its pods may be; returns how many. */
const buyPattern = (
  packing: Packing,
  left: Int32Array,
  shapes: readonly number[],
  pattern: Pattern,
  copies: number,
  o: FillOptions,
): number => {
  const twins = twinsOf(pattern.column, o.columns);
  const trial = new Trial(packing);
  const contentIn = (column: OfferColumn): { content: Content; worth: number } => {
    trial.begin(packing.nextNode(), column.group, column.room);
    let worth = 0;
    pattern.rows.forEach((row, k) => {
      const shape = shapes[row] ?? -1;
      const n = trial.take(shape, Math.min(left[shape] ?? 0, pattern.values[k] ?? 0));
      worth += n * (o.worth[shape] ?? 0);
    });
    return { content: trial.end(), worth };
  };
  for (let made = 0; made < copies; made += 1) {
    let best: { content: Content; worth: number; column: OfferColumn } | null = null;
    for (let k = 0; k < twins.length; k += 1) {
      const column = twins[(made + k) % twins.length];
      if (!column || !packing.canBuy(column)) continue;
      const found = contentIn(column);
      if (found.worth > (best?.worth ?? 0) * (1 + 1e-9)) best = { ...found, column };
      if (packing.problem.rules.keys.length === 0) break;
    }
    if (!best) return made;
    const node = packing.buy(best.column);
    for (const [shape, n] of best.content) {
      packing.put(shape, node, n);
      left[shape] = (left[shape] ?? 0) - n;
    }
  }
  return copies;
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
    const program = new ConfigurationProgram(packing.problem, sourcesOf(packing.problem, o), left, prices);
    let rounds = FIRST_ROUNDS;
    while (!isOver() && left.some((n) => n > 0)) {
      const { use } = program.solve(isOver, rounds);
      rounds = DIVE_ROUNDS;
      let made = 0;
      for (const [pattern, amount] of use) {
        const whole = Math.floor(amount + 1e-3);
        if (whole > 0 && useful(pattern, left, program.shapes, o.worth) > 0.999) {
          made += buyPattern(packing, left, program.shapes, pattern, whole, o);
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
        made = buyPattern(packing, left, program.shapes, next.pattern, 1, o);
      }
      if (made === 0) break;
      program.setDemand(left);
    }
  }
  return openAndFill(packing, left, o);
};

/** Prices that nodes may have at most, beside any: where pods must be apart, many small nodes beat few large ones. */
const priceCaps = (packing: Packing, left: Int32Array, o: FillOptions): number[] => {
  const limits = perNodeLimits(packing.problem);
  let nodes = 1;
  let total = 0;
  left.forEach((n, shape) => {
    nodes = Math.max(nodes, Math.ceil(n / (limits[shape] ?? 1)));
    total += n * (o.worth[shape] ?? 0);
  });
  return nodes < 2 ? [] : [1, 2, 4, 0.5].map((part) => (part * total) / nodes);
};

/** A way to place pods; true when none is left over. */
type Way = (left: Int32Array) => boolean;

const waysOf = (packing: Packing, left: Int32Array, o: FillOptions, isOver: () => boolean): Way[] => {
  const capped = priceCaps(packing, left, o).flatMap((cap): Way[] => {
    const columns = o.columns.filter((column) => column.price <= cap);
    if (columns.length === 0 || columns.length === o.columns.length) return [];
    return [(rest) => openAndFill(packing, rest, { ...o, columns }) || openAndFill(packing, rest, o)];
  });
  return [
    (rest) => openAndFill(packing, rest, o),
    ...capped,
    (rest) => composeAndFill(packing, rest, o, o.prices, isOver),
  ];
};

/**
 * Places pods on nodes to be bought, by the cheapest of several ways that time allows; the first always comes to an
 * answer. Returns false when pods are left over, which `left` then names.
 */
export const buyFor = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  isOver: () => boolean,
): boolean => {
  const wanted = Int32Array.from(left);
  let best = 0;
  let least = { over: Number.POSITIVE_INFINITY, cost: Number.POSITIVE_INFINITY };
  const ways = waysOf(packing, wanted, o, isOver);
  for (const [index, way] of ways.entries()) {
    if (index > 0 && isOver()) break;
    const rest = Int32Array.from(wanted);
    packing.journal.mark();
    way(rest);
    rightsize(packing);
    const over = rest.reduce((sum, n) => sum + n, 0);
    const cost = packing.cost();
    if (over < least.over || (over === least.over && cost < least.cost - 1e-9)) {
      least = { over, cost };
      best = index;
    }
    if (best === index && (index === ways.length - 1 || isOver())) {
      packing.journal.forget();
      left.set(rest);
      return over === 0;
    }
    packing.undo();
  }
  const isDone =
    (best === ways.length - 1 ? waysOf(packing, wanted, o, () => false) : ways)[best]?.(left) ?? false;
  rightsize(packing);
  return isDone;
};
