import type { CompiledOption } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import { OptionPruner } from './optionpruning.ts';
import { RemainingPods } from './remainingpods.ts';
import { type Content, ScratchNode } from './scratchnode.ts';

/** Moves what fits from `left` into nodes that are open, fullest first; returns the nodes it used. */
export const fillOpen = (
  packing: Packing,
  left: Int32Array,
  nodes: readonly number[],
  o: FillOptions,
): void => {
  for (const podClass of o.order) {
    if ((left[podClass] ?? 0) <= 0) continue;
    for (const node of nodes) {
      const put = packing.putUpTo(podClass, node, left[podClass] ?? 0);
      if (put === 0) continue;
      left[podClass] = (left[podClass] ?? 0) - put;
      if ((left[podClass] ?? 0) === 0) break;
    }
  }
};

const FULL_EVERY = 10;
const FEW_NODES_LEFT = 3;
const SHORTLIST = 6;

/** A node that could be opened, and what it would hold. */
interface FilledNode {
  /** The column and its place among the prospects; null and -1 for a node that stood before. */
  readonly option: CompiledOption | null;
  readonly index: number;
  readonly node: number;
  /** The content, as the trial kept it. */
  readonly kept: number;
  readonly packed: number;
  /** With what the risk of its pods is expected to cost. */
  readonly price: number;
}

const cheapestWithRest = (filledNodes: readonly FilledNode[], total: number): FilledNode | null => {
  let ratio = Number.POSITIVE_INFINITY;
  for (const filled of filledNodes) ratio = Math.min(ratio, filled.price / filled.packed);
  let best: FilledNode | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const filled of filledNodes) {
    // What the rest will cost if it goes as well as the best of these nodes.
    const cost = filled.price + Math.max(0, total - filled.packed) * ratio;
    if (cost < least - 1e-12) {
      least = cost;
      best = filled;
    }
  }
  return best;
};

/** How often the same content can be had from what is left; the last time it is weighed again, as less may do. */
const copiesOf = (
  packing: Packing,
  option: CompiledOption | null,
  content: Content,
  left: Int32Array,
): number => {
  const { rules } = packing.problem;
  if (!option || content.some(([podClass]) => (rules.ofPodClass[podClass]?.length ?? 0) > 0)) return 1;
  let copies = Number.POSITIVE_INFINITY;
  for (const [podClass, n] of content) copies = Math.min(copies, Math.floor((left[podClass] ?? 0) / n));
  return Math.max(1, copies - 1);
};

/**
 * Opens nodes until `left` is empty or nothing more fits: each time the one whose price, with the rest at the best
 * rate seen, is least. Returns false when pods are left over.
 */
export const openAndFill = (packing: Packing, left: Int32Array, o: FillOptions): boolean => {
  const reopen = new Set((o.reopen ?? []).filter((node) => !packing.open[node]));
  const remaining = new RemainingPods(packing, left, o);
  const scratch = new ScratchNode(packing);
  let bought = 0;
  const pruner = new OptionPruner(packing, o.options, o.prices);
  const everyIndex = [...pruner.options.keys()];
  let shortlist: readonly number[] = [];
  let sinceFull = 0;
  // Where pods have rules about each other, the largest node holds far less than its room.
  const isRuled = packing.problem.rules.tallies.length > 0;
  let fullest = isRuled ? 0 : pruner.largest;
  while (remaining.pods > 0) {
    const filledNodes: FilledNode[] = [];
    scratch.dropKept();
    pruner.begin(remaining.total);
    const attempt = (index: number, node: number, nodeClass: number, room: Float64Array): void => {
      const option = pruner.options[index] ?? null;
      const price = option ? packing.priceOf(option) : packing.price(node);
      const podRisk = option ? option.podRisk : packing.podRisk(node);
      for (const isEven of [false, true]) {
        scratch.begin(node, nodeClass, room);
        const packed = isEven ? remaining.fillEvenly(scratch) : remaining.fillInOrder(scratch);
        const { pods } = scratch;
        const kept = scratch.keep();
        if (pods === 0) return;
        const filled = { index, option, node, kept, packed, price: price + podRisk * pods };
        filledNodes.push(filled);
        pruner.record(filled);
        if (pods === remaining.pods) return;
      }
    };
    for (const node of reopen)
      if (packing.canReopen(node)) attempt(-1, node, packing.nodeClass[node] ?? 0, packing.roomOf(node));
    // While much is left the same few columns stay best: the others are asked only now and then.
    const isFull = sinceFull === 0 || remaining.total < FEW_NODES_LEFT * fullest;
    sinceFull = (sinceFull + 1) % FULL_EVERY;
    const next = packing.nextNode();
    const indices = isFull ? everyIndex : shortlist;
    for (const index of bought < (o.maxNodes ?? Number.POSITIVE_INFINITY) ? indices : []) {
      const option = pruner.options[index] as CompiledOption;
      if (packing.canBuy(option) && !pruner.isDominated(index))
        attempt(index, next, option.nodeClass, option.room);
    }
    const best = cheapestWithRest(filledNodes, remaining.total);
    if (!best) {
      if (isFull || shortlist.length === 0) return false;
      shortlist = [];
      sinceFull = 0;
      continue;
    }
    if (shortlist.length === 0 || sinceFull === 1) {
      const ranked = filledNodes
        .filter((filled) => filled.option)
        .sort((a, b) => a.price / a.packed - b.price / b.packed);
      if (isRuled) fullest = Math.max(...filledNodes.map((filled) => filled.packed));
      shortlist = [...new Set(ranked.map((filled) => filled.index))].slice(0, SHORTLIST);
    }
    const content = scratch.contentOf(best.kept);
    const copies = copiesOf(packing, best.option, content, left);
    const first = best.option ? packing.priceOf(best.option) : 0;
    for (let copy = 0; copy < copies && remaining.pods > 0; copy += 1) {
      let { node } = best;
      if (best.option) {
        // A commitment that has run out is a reason to weigh again.
        if (!packing.canBuy(best.option) || packing.priceOf(best.option) > first) break;
        node = packing.buy(best.option);
        bought += 1;
      } else {
        packing.setOpen(node, true);
        reopen.delete(node);
      }
      for (const [podClass, n] of content) packing.put(podClass, node, n);
      remaining.remove(content);
    }
    remaining.dropExhausted();
  }
  return true;
};
