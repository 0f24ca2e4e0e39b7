import type { OfferColumn } from './column.ts';
import type { Packing } from './packing.ts';

/** What an attempt to place pods uses: worth per shape, and nodes that may be opened. */
export interface FillOptions {
  /** What a unit of each dimension costs, in USD per hour. */
  readonly prices: Float64Array;
  readonly worth: Float64Array;
  /** Shapes, the most worth first. */
  readonly order: Int32Array;
  readonly columns: readonly OfferColumn[];
  /** Closed standing nodes that may be opened again at their price. */
  readonly reopen?: readonly number[];
  /** At most this many nodes may be bought. */
  readonly maxNodes?: number;
}

/** Shapes, the most worth first; equal worth in order of number, so that the result is always the same. */
export const orderByWorth = (worth: Float64Array): Int32Array =>
  Int32Array.from([...worth.keys()].sort((a, b) => (worth[b] ?? 0) - (worth[a] ?? 0) || a - b));

/** Moves what fits from `left` into nodes that are open, fullest first; returns the nodes it used. */
export const fillOpen = (
  packing: Packing,
  left: Int32Array,
  nodes: readonly number[],
  o: FillOptions,
): void => {
  for (const shape of o.order) {
    if ((left[shape] ?? 0) <= 0) continue;
    for (const node of nodes) {
      const put = packing.putUpTo(shape, node, left[shape] ?? 0);
      if (put === 0) continue;
      left[shape] = (left[shape] ?? 0) - put;
      if ((left[shape] ?? 0) === 0) break;
    }
  }
};

const FULL_EVERY = 10;
const FEW_NODES_LEFT = 3;
const SHORTLIST = 6;

interface Trial {
  readonly column: OfferColumn | null;
  readonly node: number;
  readonly content: [number, number][];
  readonly packed: number;
  /** With what the risk of its pods is expected to cost. */
  readonly price: number;
}

const fillOne = (packing: Packing, node: number, left: Int32Array, o: FillOptions): number => {
  let packed = 0;
  for (const shape of o.order) {
    const n = left[shape] ?? 0;
    if (n <= 0) continue;
    packed += packing.putUpTo(shape, node, n) * (o.worth[shape] ?? 0);
  }
  return packed;
};

/**
 * Fills a node so that CPU and memory run out together: pods that ask more memory for their CPU than is left are
 * taken while memory is plenty, the others while CPU is.
 */
const fillEvenly = (packing: Packing, node: number, left: Int32Array, o: FillOptions): number => {
  const { width, problem } = packing;
  const at = node * width;
  const aim = (packing.free[at + 1] ?? 0) / Math.max(1, packing.free[at] ?? 0);
  const lists: [number[], number[]] = [[], []];
  for (const shape of o.order) {
    if ((left[shape] ?? 0) <= 0) continue;
    const memory = problem.sizes[shape * width + 1] ?? 0;
    const isHeavy = memory >= aim * (problem.sizes[shape * width] ?? 0);
    lists[isHeavy ? 0 : 1].push(shape);
  }
  const next = [0, 0];
  const used = new Map<number, number>();
  let packed = 0;
  while (next[0] !== lists[0].length || next[1] !== lists[1].length) {
    const wantsHeavy = (packing.free[at + 1] ?? 0) > aim * (packing.free[at] ?? 0);
    let side: 0 | 1 = wantsHeavy ? 0 : 1;
    if ((next[side] ?? 0) >= lists[side].length) side = side === 0 ? 1 : 0;
    const shape = lists[side][next[side] ?? 0] ?? -1;
    const taken = used.get(shape) ?? 0;
    if (taken < (left[shape] ?? 0) && packing.putUpTo(shape, node, 1) === 1) {
      used.set(shape, taken + 1);
      packed += o.worth[shape] ?? 0;
    } else next[side] = (next[side] ?? 0) + 1;
  }
  return packed;
};

const rate = (trials: readonly Trial[], total: number): Trial | null => {
  let ratio = Number.POSITIVE_INFINITY;
  for (const trial of trials) ratio = Math.min(ratio, trial.price / trial.packed);
  let best: Trial | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const trial of trials) {
    // What the rest will cost if it goes as well as the best of these nodes.
    const cost = trial.price + Math.max(0, total - trial.packed) * ratio;
    if (cost < least - 1e-12) {
      least = cost;
      best = trial;
    }
  }
  return best;
};

/**
 * Opens nodes until `left` is empty or nothing more fits: each time the one whose price, with the rest at the best
 * rate seen, is least. Returns false when pods are left over.
 */
export const openAndFill = (packing: Packing, left: Int32Array, o: FillOptions): boolean => {
  const { rules } = packing.problem;
  let total = 0;
  left.forEach((n, shape) => {
    total += n * (o.worth[shape] ?? 0);
  });
  const reopen = new Set((o.reopen ?? []).filter((node) => !packing.open[node]));
  let bought = 0;
  let shortlist: readonly OfferColumn[] = [];
  let sinceFull = 0;
  let fullest = 0;
  const fills = [fillOne, fillEvenly];
  while (left.some((n) => n > 0)) {
    const trials: Trial[] = [];
    const attempt = (node: number, column: OfferColumn | null, price: number): void => {
      const podRisk = packing.podRisk(node);
      for (const fill of fills) {
        const packed = fill(packing, node, left, o);
        const content = packing.empty(node);
        if (packed <= 0) continue;
        let risk = podRisk;
        if (risk > 0) risk *= content.reduce((sum, [, n]) => sum + n, 0);
        trials.push({ column, node, content, packed, price: price + risk });
      }
    };
    packing.journal.unnoted(() => {
      // While much is left the same few columns stay best: the others are asked only now and then.
      const isFull = sinceFull === 0 || total < FEW_NODES_LEFT * fullest;
      sinceFull = (sinceFull + 1) % FULL_EVERY;
      const columns = isFull ? o.columns : shortlist;
      for (const column of bought < (o.maxNodes ?? Number.POSITIVE_INFINITY) ? columns : []) {
        if (!packing.canBuy(column)) continue;
        const price = packing.priceOf(column);
        const node = packing.buy(column);
        attempt(node, column, price);
        packing.sell(node);
      }
      for (const node of reopen) attempt(node, null, packing.price(node));
    });
    const best = rate(trials, total);
    if (!best) {
      if (sinceFull === 1 || o.columns.length === 0) return false;
      if (total < FEW_NODES_LEFT * fullest || shortlist.length === 0) return false;
      shortlist = [];
      sinceFull = 0;
      continue;
    }
    if (shortlist.length === 0 || sinceFull === 1) {
      const ranked = trials
        .filter((trial) => trial.column)
        .sort((a, b) => a.price / a.packed - b.price / b.packed);
      shortlist = [...new Set(ranked.flatMap((trial) => trial.column ?? []))].slice(0, SHORTLIST);
      fullest = Math.max(...trials.map((trial) => trial.packed));
    }
    const plain = best.content.every(([shape]) => (rules.ofShape[shape]?.length ?? 0) === 0);
    let copies = 1;
    if (plain && best.column) {
      copies = Number.POSITIVE_INFINITY;
      for (const [shape, n] of best.content) copies = Math.min(copies, Math.floor((left[shape] ?? 0) / n));
      // The last copy is weighed again: with less left, another node may do.
      copies = Math.max(1, copies - 1);
    }
    const first = best.column ? packing.priceOf(best.column) : 0;
    for (let copy = 0; copy < copies && left.some((n) => n > 0); copy += 1) {
      let node = best.node;
      if (best.column) {
        // A commitment that has run out is a reason to weigh again.
        if (packing.priceOf(best.column) > first) break;
        if (!packing.canBuy(best.column)) break;
        node = packing.buy(best.column);
        bought += 1;
      } else {
        packing.setOpen(node, true);
        reopen.delete(node);
      }
      for (const [shape, n] of best.content) {
        packing.put(shape, node, n);
        left[shape] = (left[shape] ?? 0) - n;
        total -= n * (o.worth[shape] ?? 0);
      }
    }
  }
  return true;
};
