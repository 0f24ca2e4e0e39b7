import type { OfferColumn } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import { Prospects } from './optionpruning.ts';
import { Rest } from './remainingpods.ts';
import { type Content, Trial } from './scratchnode.ts';

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
  /** The column and its place among the prospects; null and -1 for a node that stood before. */
  readonly column: OfferColumn | null;
  readonly place: number;
  readonly node: number;
  /** The content, as the trial kept it. */
  readonly kept: number;
  readonly packed: number;
  /** With what the risk of its pods is expected to cost. */
  readonly price: number;
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
const copiesOf = (
  packing: Packing,
  column: OfferColumn | null,
  content: Content,
  left: Int32Array,
): number => {
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
  const prospects = new Prospects(packing, o.columns, o.prices);
  const everyPlace = [...prospects.columns.keys()];
  let shortlist: readonly number[] = [];
  let sinceFull = 0;
  // Where pods have rules about each other, the largest node holds far less than its room.
  const isRuled = packing.problem.rules.tallies.length > 0;
  let fullest = isRuled ? 0 : prospects.largest;
  while (rest.pods > 0) {
    const options: Option[] = [];
    trial.forget();
    prospects.begin(rest.total);
    const attempt = (place: number, node: number, group: number, room: Float64Array): void => {
      const column = prospects.columns[place] ?? null;
      const price = column ? packing.priceOf(column) : packing.price(node);
      const podRisk = column ? column.podRisk : packing.podRisk(node);
      for (const isEven of [false, true]) {
        trial.begin(node, group, room);
        const packed = isEven ? rest.fillEvenly(trial) : rest.fillInOrder(trial);
        const { pods } = trial;
        const kept = trial.keep();
        if (pods === 0) return;
        const option = { place, column, node, kept, packed, price: price + podRisk * pods };
        options.push(option);
        prospects.see(option);
        if (pods === rest.pods) return;
      }
    };
    for (const node of reopen)
      if (packing.canReopen(node)) attempt(-1, node, packing.group[node] ?? 0, packing.roomOf(node));
    // While much is left the same few columns stay best: the others are asked only now and then.
    const isFull = sinceFull === 0 || rest.total < FEW_NODES_LEFT * fullest;
    sinceFull = (sinceFull + 1) % FULL_EVERY;
    const next = packing.nextNode();
    const places = isFull ? everyPlace : shortlist;
    for (const place of bought < (o.maxNodes ?? Number.POSITIVE_INFINITY) ? places : []) {
      const column = prospects.columns[place] as OfferColumn;
      if (packing.canBuy(column) && !prospects.isHopeless(place))
        attempt(place, next, column.group, column.room);
    }
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
      if (isRuled) fullest = Math.max(...options.map((option) => option.packed));
      shortlist = [...new Set(ranked.map((option) => option.place))].slice(0, SHORTLIST);
    }
    const content = trial.contentOf(best.kept);
    const copies = copiesOf(packing, best.column, content, left);
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
      for (const [shape, n] of content) packing.put(shape, node, n);
      rest.remove(content);
    }
    rest.narrow();
  }
  return true;
};
