import { ColumnGeneration, type Pattern } from '../bound/columngeneration.ts';
import { distinctNodeKinds, type NodeKind, perNodeLimits } from '../bound/pricingproblem.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';
import type { Problem } from '../packing/problem.ts';
import type { FillOptions } from './filloptions.ts';
import { openAndFill } from './greedy.ts';
import { rightsize } from './localsearch.ts';
import { type Content, ScratchNode } from './scratchnode.ts';

/** With more kinds of pods than this, filling nodes one by one is as good, and far quicker. */
const MAX_DIVE_SHAPES = 80;
const DIVE_ROUNDS = 4;
const FIRST_ROUNDS = 150;

/** Every column as a node that can be bought as often as wanted. */
const nodeKindsOf = (problem: Problem, o: FillOptions): NodeKind[] =>
  distinctNodeKinds(
    problem,
    o.options.map((option) => ({
      option,
      price: option.price,
      podRisk: option.podRisk,
      room: option.room,
      nodeClass: option.nodeClass,
    })),
  );

/** The columns that are the same machine at the same price in other places. */
const twinsOf = (option: CompiledOption, options: readonly CompiledOption[]): CompiledOption[] =>
  options.filter(
    (other) =>
      other.launchOption.type === option.launchOption.type &&
      other.launchOption.pool === option.launchOption.pool &&
      other.price === option.price &&
      other.podRisk === option.podRisk,
  );

/** Buys copies of a pattern, each where most of its pods may be; returns how many. */
const buyPattern = (
  packing: Packing,
  left: Int32Array,
  podClasses: readonly number[],
  pattern: Pattern,
  copies: number,
  o: FillOptions,
): number => {
  const twins = twinsOf(pattern.option, o.options);
  const scratch = new ScratchNode(packing);
  const contentIn = (option: CompiledOption): { content: Content; worth: number } => {
    scratch.begin(packing.nextNode(), option.nodeClass, option.room);
    let worth = 0;
    pattern.rows.forEach((row, k) => {
      const podClass = podClasses[row] ?? -1;
      const n = scratch.take(podClass, Math.min(left[podClass] ?? 0, pattern.values[k] ?? 0));
      worth += n * (o.worth[podClass] ?? 0);
    });
    return { content: scratch.end(), worth };
  };
  for (let made = 0; made < copies; made += 1) {
    let best: { content: Content; worth: number; option: CompiledOption } | null = null;
    for (let k = 0; k < twins.length; k += 1) {
      const option = twins[(made + k) % twins.length];
      if (!option || !packing.canBuy(option)) continue;
      const found = contentIn(option);
      if (found.worth > (best?.worth ?? 0) * (1 + 1e-9)) best = { ...found, option };
      if (packing.problem.rules.keys.length === 0) break;
    }
    if (!best) return made;
    const node = packing.buy(best.option);
    for (const [podClass, n] of best.content) {
      packing.put(podClass, node, n);
      left[podClass] = (left[podClass] ?? 0) - n;
    }
  }
  return copies;
};

/** Part of a pattern that pods are still there for. */
const usableShare = (
  pattern: Pattern,
  left: Int32Array,
  podClasses: readonly number[],
  worth: Float64Array,
): number => {
  let all = 0;
  let there = 0;
  pattern.rows.forEach((row, k) => {
    const podClass = podClasses[row] ?? -1;
    const value = worth[podClass] ?? 0;
    all += value * (pattern.values[k] ?? 0);
    there += value * Math.min(left[podClass] ?? 0, pattern.values[k] ?? 0);
  });
  return all > 0 ? there / all : 0;
};

/**
 * Buys nodes by the configuration program: whole numbers of a pattern at once, then the pattern that is nearest to a
 * whole one, solved again each time; the last pods one node at a time. Returns false when pods are left over.
 */
export const packByColumnGeneration = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  prices: Float64Array,
  isOver: () => boolean,
): boolean => {
  const kinds = left.reduce((sum, n) => sum + (n > 0 ? 1 : 0), 0);
  if (kinds === 0) return true;
  if (kinds <= MAX_DIVE_SHAPES) {
    const program = new ColumnGeneration(packing.problem, nodeKindsOf(packing.problem, o), left, prices);
    let rounds = FIRST_ROUNDS;
    while (!isOver() && left.some((n) => n > 0)) {
      const { use } = program.solve(isOver, rounds);
      rounds = DIVE_ROUNDS;
      let made = 0;
      for (const [pattern, amount] of use) {
        const whole = Math.floor(amount + 1e-3);
        if (whole > 0 && usableShare(pattern, left, program.podClasses, o.worth) > 0.999) {
          made += buyPattern(packing, left, program.podClasses, pattern, whole, o);
        }
      }
      if (made === 0) {
        const next = use
          .map(([pattern, amount]) => ({
            pattern,
            score: amount * usableShare(pattern, left, program.podClasses, o.worth) ** 4,
          }))
          .sort((a, b) => b.score - a.score)[0];
        if (!next || next.score < 0.05) break;
        made = buyPattern(packing, left, program.podClasses, next.pattern, 1, o);
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
  left.forEach((n, podClass) => {
    nodes = Math.max(nodes, Math.ceil(n / (limits[podClass] ?? 1)));
    total += n * (o.worth[podClass] ?? 0);
  });
  return nodes < 2 ? [] : [1, 2, 4, 0.5].map((part) => (part * total) / nodes);
};

/** A way to place pods; true when none is left over. */
type Strategy = (left: Int32Array) => boolean;

const strategiesOf = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  isOver: () => boolean,
): Strategy[] => {
  const capped = priceCaps(packing, left, o).flatMap((cap): Strategy[] => {
    const options = o.options.filter((option) => option.price <= cap);
    if (options.length === 0 || options.length === o.options.length) return [];
    return [(rest) => openAndFill(packing, rest, { ...o, options }) || openAndFill(packing, rest, o)];
  });
  return [
    (rest) => openAndFill(packing, rest, o),
    ...capped,
    (rest) => packByColumnGeneration(packing, rest, o, o.prices, isOver),
  ];
};

/**
 * Places pods on nodes to be bought, by the cheapest of several ways that time allows; the first always comes to an
 * answer. Returns false when pods are left over, which `left` then names.
 */
export const packOntoNewNodes = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  isOver: () => boolean,
): boolean => {
  const wanted = Int32Array.from(left);
  let best = 0;
  let least = { over: Number.POSITIVE_INFINITY, cost: Number.POSITIVE_INFINITY };
  const strategies = strategiesOf(packing, wanted, o, isOver);
  for (const [index, strategy] of strategies.entries()) {
    if (index > 0 && isOver()) break;
    const rest = Int32Array.from(wanted);
    packing.undoLog.mark();
    strategy(rest);
    rightsize(packing);
    const over = rest.reduce((sum, n) => sum + n, 0);
    const cost = packing.cost();
    if (over < least.over || (over === least.over && cost < least.cost - 1e-9)) {
      least = { over, cost };
      best = index;
    }
    if (best === index && (index === strategies.length - 1 || isOver())) {
      packing.undoLog.commit();
      left.set(rest);
      return over === 0;
    }
    packing.undo();
  }
  const isDone =
    (best === strategies.length - 1 ? strategiesOf(packing, wanted, o, () => false) : strategies)[best]?.(
      left,
    ) ?? false;
  rightsize(packing);
  return isDone;
};
