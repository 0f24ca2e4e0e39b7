import type { OfferColumn } from './column.ts';
import type { Packing } from './packing.ts';
import { type Content, Trial } from './trial.ts';

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

/** A node that could be opened, and what it would hold. */
interface Option {
  readonly column: OfferColumn | null;
  readonly node: number;
  readonly content: Content;
  readonly packed: number;
  /** With what the risk of its pods is expected to cost. */
  readonly price: number;
}

/** Pods that are still to be placed: shapes in the order of their worth, those that have run out left out. */
class Rest {
  readonly left: Int32Array;
  readonly worth: Float64Array;
  readonly sizes: Float64Array;
  readonly width: number;
  shapes: Int32Array;
  pods = 0;
  total = 0;
  /** How many of the shapes have run out. */
  private gone = Number.POSITIVE_INFINITY;
  /** The least that any pod asks of CPU and of memory: with less left, a node is full. */
  least: readonly [number, number] = [0, 0];
  private readonly heavy: Int32Array;
  private readonly light: Int32Array;

  constructor(packing: Packing, left: Int32Array, o: FillOptions) {
    this.left = left;
    this.worth = o.worth;
    this.sizes = packing.problem.sizes;
    this.width = packing.width;
    this.shapes = o.order;
    for (const n of left) this.pods += n;
    this.narrow();
    this.heavy = new Int32Array(this.shapes.length);
    this.light = new Int32Array(this.shapes.length);
  }

  /** Leaves out the shapes that have run out, once they are many. */
  narrow(): void {
    if (this.gone * 8 < this.shapes.length) return;
    this.gone = 0;
    const { left, sizes, width } = this;
    this.shapes = this.shapes.filter((shape) => (left[shape] as number) > 0);
    let cpu = Number.POSITIVE_INFINITY;
    let memory = Number.POSITIVE_INFINITY;
    this.total = 0;
    for (const shape of this.shapes) {
      cpu = Math.min(cpu, sizes[shape * width] as number);
      memory = Math.min(memory, sizes[shape * width + 1] as number);
      this.total += (left[shape] as number) * (this.worth[shape] as number);
    }
    this.least = [cpu, memory];
  }

  private isFull(trial: Trial): boolean {
    return (trial.free[0] as number) < this.least[0] || (trial.free[1] as number) < this.least[1];
  }

  /** Takes pods in the order of their worth; returns what they are worth together. */
  fillInOrder(trial: Trial): number {
    let packed = 0;
    for (const shape of this.shapes) {
      const n = trial.take(shape, this.left[shape] as number);
      if (n === 0) continue;
      packed += n * (this.worth[shape] as number);
      if (this.isFull(trial)) break;
    }
    return packed;
  }

  /**
   * Fills a node so that CPU and memory run out together: pods that ask more memory for their CPU than is left are
   * taken while memory is plenty, the others while CPU is.
   */
  fillEvenly(trial: Trial): number {
    const { left, sizes, width, heavy, light } = this;
    const { free } = trial;
    const aim = (free[1] as number) / Math.max(1, free[0] as number);
    let heavies = 0;
    let lights = 0;
    for (const shape of this.shapes) {
      if ((sizes[shape * width + 1] as number) >= aim * (sizes[shape * width] as number)) {
        heavy[heavies++] = shape;
      } else light[lights++] = shape;
    }
    let h = 0;
    let l = 0;
    let takenHeavy = 0;
    let takenLight = 0;
    let packed = 0;
    while ((h < heavies || l < lights) && !this.isFull(trial)) {
      const wantsHeavy = (free[1] as number) > aim * (free[0] as number);
      if ((wantsHeavy && h < heavies) || l >= lights) {
        const shape = heavy[h] as number;
        if (takenHeavy < (left[shape] as number) && trial.take(shape, 1) === 1) {
          takenHeavy += 1;
          packed += this.worth[shape] as number;
        } else {
          h += 1;
          takenHeavy = 0;
        }
      } else {
        const shape = light[l] as number;
        if (takenLight < (left[shape] as number) && trial.take(shape, 1) === 1) {
          takenLight += 1;
          packed += this.worth[shape] as number;
        } else {
          l += 1;
          takenLight = 0;
        }
      }
    }
    return packed;
  }

  /** Takes what went onto a node off what is left. */
  remove(content: Content): void {
    for (const [shape, n] of content) {
      const left = (this.left[shape] as number) - n;
      this.left[shape] = left;
      if (left === 0) this.gone += 1;
      this.pods -= n;
      this.total -= n * (this.worth[shape] as number);
    }
  }
}

const rate = (options: readonly Option[], total: number): Option | null => {
  let ratio = Number.POSITIVE_INFINITY;
  for (const option of options) ratio = Math.min(ratio, option.price / option.packed);
  let best: Option | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const option of options) {
    // What the rest will cost if it goes as well as the best of these nodes.
    const cost = option.price + Math.max(0, total - option.packed) * ratio;
    if (cost < least - 1e-12) {
      least = cost;
      best = option;
    }
  }
  return best;
};

/** How often the same content can be had from what is left; the last time it is weighed again, as less may do. */
const copiesOf = (packing: Packing, { content, column }: Option, left: Int32Array): number => {
  const { rules } = packing.problem;
  if (!column || content.some(([shape]) => (rules.ofShape[shape]?.length ?? 0) > 0)) return 1;
  let copies = Number.POSITIVE_INFINITY;
  for (const [shape, n] of content) copies = Math.min(copies, Math.floor((left[shape] ?? 0) / n));
  return Math.max(1, copies - 1);
};

/**
 * Opens nodes until `left` is empty or nothing more fits: each time the one whose price, with the rest at the best
 * rate seen, is least. Returns false when pods are left over.
 */
export const openAndFill = (packing: Packing, left: Int32Array, o: FillOptions): boolean => {
  const reopen = new Set((o.reopen ?? []).filter((node) => !packing.open[node]));
  const rest = new Rest(packing, left, o);
  const trial = new Trial(packing);
  let bought = 0;
  let shortlist: readonly OfferColumn[] = [];
  let sinceFull = 0;
  let fullest = 0;
  while (rest.pods > 0) {
    const options: Option[] = [];
    const attempt = (column: OfferColumn | null, node: number, group: number, room: Float64Array): void => {
      const price = column ? packing.priceOf(column) : packing.price(node);
      const podRisk = column ? column.podRisk : packing.podRisk(node);
      for (const isEven of [false, true]) {
        trial.begin(node, group, room);
        const packed = isEven ? rest.fillEvenly(trial) : rest.fillInOrder(trial);
        const content = trial.end();
        if (packed <= 0) return;
        const risk = podRisk > 0 ? podRisk * content.reduce((sum, [, n]) => sum + n, 0) : 0;
        options.push({ column, node, content, packed, price: price + risk });
      }
    };
    // While much is left the same few columns stay best: the others are asked only now and then.
    const isFull = sinceFull === 0 || rest.total < FEW_NODES_LEFT * fullest;
    sinceFull = (sinceFull + 1) % FULL_EVERY;
    const next = packing.nextNode();
    for (const column of bought < (o.maxNodes ?? Number.POSITIVE_INFINITY)
      ? isFull
        ? o.columns
        : shortlist
      : []) {
      if (packing.canBuy(column)) attempt(column, next, column.group, column.room);
    }
    for (const node of reopen) attempt(null, node, packing.group[node] ?? 0, packing.roomOf(node));
    const best = rate(options, rest.total);
    if (!best) {
      if (isFull || shortlist.length === 0) return false;
      shortlist = [];
      sinceFull = 0;
      continue;
    }
    if (shortlist.length === 0 || sinceFull === 1) {
      const ranked = options
        .filter((option) => option.column)
        .sort((a, b) => a.price / a.packed - b.price / b.packed);
      shortlist = [...new Set(ranked.flatMap((option) => option.column ?? []))].slice(0, SHORTLIST);
      fullest = Math.max(...options.map((option) => option.packed));
    }
    const copies = copiesOf(packing, best, left);
    const first = best.column ? packing.priceOf(best.column) : 0;
    for (let copy = 0; copy < copies && rest.pods > 0; copy += 1) {
      let { node } = best;
      if (best.column) {
        // A commitment that has run out is a reason to weigh again.
        if (!packing.canBuy(best.column) || packing.priceOf(best.column) > first) break;
        node = packing.buy(best.column);
        bought += 1;
      } else {
        packing.setOpen(node, true);
        reopen.delete(node);
      }
      for (const [shape, n] of best.content) packing.put(shape, node, n);
      rest.remove(best.content);
    }
    rest.narrow();
  }
  return true;
};
