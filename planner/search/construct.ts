import { ColumnGeneration, type Pattern } from '../bound/columngeneration.ts';
import { distinctNodeKinds, type NodeKind, perNodeLimits } from '../bound/pricingproblem.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import { floatAt, intAt, itemAt } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import type { Problem } from '../packing/problem.ts';
import type { FillOptions } from './filloptions.ts';
import { openAndFill } from './greedy.ts';
import { rightsize } from './rightsize.ts';
import { type Content, ScratchNode } from './scratchnode.ts';

/** With more pod classes than this, filling nodes one by one is as good as column generation, and far quicker. */
const MAX_PRICED_CLASSES = 80;
/** Rounds of column generation: the first time, and each time after nodes were bought. */
const FIRST_ROUNDS = 150;
const NEXT_ROUNDS = 4;

const nodeKindsOf = (problem: Problem, { options }: FillOptions): NodeKind[] =>
  distinctNodeKinds(
    problem,
    options.map((option) => ({
      option,
      price: option.price,
      podRisk: option.podRisk,
      room: option.room,
      nodeClass: option.nodeClass,
    })),
  );

/** The options that are the same machine at the same price in other places. */
const twinsOf = (option: CompiledOption, options: readonly CompiledOption[]): CompiledOption[] =>
  options.filter(
    (other) =>
      other.launchOption.type === option.launchOption.type &&
      other.launchOption.pool === option.launchOption.pool &&
      other.price === option.price &&
      other.podRisk === option.podRisk,
  );

/** Buys copies of a pattern, each in the place where most of its pods may be. Returns how many. */
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
      const podClass = itemAt(podClasses, row);
      const n = scratch.take(podClass, Math.min(intAt(left, podClass), floatAt(pattern.values, k)));
      worth += n * floatAt(o.worth, podClass);
    });
    return { content: scratch.end(), worth };
  };
  for (let bought = 0; bought < copies; bought += 1) {
    let best: { content: Content; worth: number; option: CompiledOption } | undefined;
    for (let k = 0; k < twins.length; k += 1) {
      const option = itemAt(twins, (bought + k) % twins.length);
      if (!packing.limits.canBuy(option)) continue;
      const filled = contentIn(option);
      if (filled.worth > (best?.worth ?? 0) * (1 + 1e-9)) best = { ...filled, option };
      if (packing.problem.rules.keys.length === 0) break;
    }
    if (!best) return bought;
    const node = packing.buy(best.option);
    for (const [podClass, n] of best.content) {
      packing.put(podClass, node, n);
      left[podClass] = intAt(left, podClass) - n;
    }
  }
  return copies;
};

/** Share of a pattern, by worth, that the remaining pods can fill. */
const usableShare = (
  pattern: Pattern,
  left: Int32Array,
  podClasses: readonly number[],
  worth: Float64Array,
): number => {
  let all = 0;
  let usable = 0;
  pattern.rows.forEach((row, k) => {
    const podClass = itemAt(podClasses, row);
    const own = floatAt(worth, podClass);
    const n = floatAt(pattern.values, k);
    all += own * n;
    usable += own * Math.min(intAt(left, podClass), n);
  });
  return all > 0 ? usable / all : 0;
};

/**
 * Buys nodes by column generation: whole numbers of patterns at once, else the pattern nearest to a whole number, and
 * solves again; greedy filling places the last pods. Returns false when pods are left over.
 */
const packByColumnGeneration = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  isOver: () => boolean,
): boolean => {
  const kinds = left.reduce((sum, n) => sum + (n > 0 ? 1 : 0), 0);
  if (kinds === 0) return true;
  if (kinds <= MAX_PRICED_CLASSES) {
    const program = new ColumnGeneration(packing.problem, nodeKindsOf(packing.problem, o), left, o.prices);
    let rounds = FIRST_ROUNDS;
    while (!isOver() && left.some((n) => n > 0)) {
      const { use } = program.solve(isOver, rounds);
      rounds = NEXT_ROUNDS;
      let bought = 0;
      for (const [pattern, amount] of use) {
        const whole = Math.floor(amount + 1e-3);
        if (whole > 0 && usableShare(pattern, left, program.podClasses, o.worth) > 0.999) {
          bought += buyPattern(packing, left, program.podClasses, pattern, whole, o);
        }
      }
      if (bought === 0) {
        const next = use
          .map(([pattern, amount]) => ({
            pattern,
            score: amount * usableShare(pattern, left, program.podClasses, o.worth) ** 4,
          }))
          .sort((a, b) => b.score - a.score)[0];
        if (!next || next.score < 0.05) break;
        bought = buyPattern(packing, left, program.podClasses, next.pattern, 1, o);
      }
      if (bought === 0) break;
      program.setDemand(left);
    }
  }
  return openAndFill(packing, left, o);
};

/** Node prices not to exceed in some of the attempts: where pods must be apart, many small nodes beat few large ones. */
const priceCaps = (packing: Packing, left: Int32Array, o: FillOptions): number[] => {
  const limits = perNodeLimits(packing.problem);
  let nodes = 1;
  let total = 0;
  left.forEach((n, podClass) => {
    nodes = Math.max(nodes, Math.ceil(n / intAt(limits, podClass)));
    total += n * floatAt(o.worth, podClass);
  });
  return nodes < 2 ? [] : [1, 2, 4, 0.5].map((part) => (part * total) / nodes);
};

/** A way to place pods. True when none is left over; `left` then is all 0. */
type Strategy = (left: Int32Array) => boolean;

const strategiesOf = (
  packing: Packing,
  pods: Int32Array,
  untimed: FillOptions,
  isOver: () => boolean,
): Strategy[] => {
  const o = { ...untimed, isOver };
  const capped = priceCaps(packing, pods, o).flatMap((cap): Strategy[] => {
    const options = o.options.filter((option) => option.price <= cap);
    if (options.length === 0 || options.length === o.options.length) return [];
    return [(left) => openAndFill(packing, left, { ...o, options }) || openAndFill(packing, left, o)];
  });
  return [
    (left) => openAndFill(packing, left, o),
    ...capped,
    (left) => packByColumnGeneration(packing, left, o, isOver),
  ];
};

/**
 * Places pods on new nodes by the cheapest of several strategies, as many as time allows and the first in any case.
 * Returns false when pods are left over, which `left` then names.
 */
export const packOntoNewNodes = (
  packing: Packing,
  left: Int32Array,
  o: FillOptions,
  isOver: () => boolean,
): boolean => {
  const pods = Int32Array.from(left);
  const strategies = strategiesOf(packing, pods, o, isOver);
  const last = strategies.length - 1;
  let best = 0;
  let least = { unplaced: Number.POSITIVE_INFINITY, cost: Number.POSITIVE_INFINITY };
  for (const [index, strategy] of strategies.entries()) {
    if (index > 0 && isOver()) break;
    const rest = Int32Array.from(pods);
    packing.undoLog.mark();
    strategy(rest);
    rightsize(packing);
    const unplaced = rest.reduce((sum, n) => sum + n, 0);
    const cost = packing.cost();
    if (unplaced < least.unplaced || (unplaced === least.unplaced && cost < least.cost - 1e-9)) {
      least = { unplaced, cost };
      best = index;
    }
    if (best === index && (index === last || isOver())) {
      packing.undoLog.commit();
      left.set(rest);
      return unplaced === 0;
    }
    packing.undo();
  }
  // Repeats the best strategy; it finished in time before, so it must run to its end again.
  const again = strategiesOf(packing, pods, o, () => false);
  const isPlaced = itemAt(again, best)(left);
  rightsize(packing);
  return isPlaced;
};
