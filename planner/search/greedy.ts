import type { CompiledOption } from '../packing/compiledoption.ts';
import { itemAt, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import { joinLeaders } from './followers.ts';
import { OptionPruner } from './optionpruning.ts';
import { RemainingPods } from './remainingpods.ts';
import { type Content, ScratchNode } from './scratchnode.ts';

const { byteAt, intAt } = readers;

/** Moves pods from `left` (per pod class) onto open nodes, in the caller's order of nodes, as far as they fit. */
export const fillOpen = (
  packing: Packing,
  left: Int32Array,
  nodes: readonly number[],
  o: Pick<FillOptions, 'order'>,
): void => {
  const { counts } = packing;
  let isFirst = true;
  let isMore = true;
  while (isMore) {
    isMore = false;
    for (const podClass of o.order) {
      const before = intAt(left, podClass);
      if (before <= 0 || !(isFirst || counts.follows(podClass))) continue;
      let n = before;
      for (const node of nodes) {
        n -= packing.putUpTo(podClass, node, n);
        if (n === 0) break;
      }
      left[podClass] = n;
      // Pods that must be where others are may come once those did.
      if (n < before && counts.hasFollowers) isMore = true;
    }
    isFirst = false;
  }
};

/** Every how many nodes all options are tried, not the shortlist alone. */
const FULL_EVERY = 10;
/** All options are tried once the pods left are worth less than this many of the largest nodes. */
const FEW_NODES_LEFT = 3;
const SHORTLIST = 6;

/** A node that could be opened, and its content. */
interface FilledNode {
  /** The option to buy and its index in the pruner; undefined and -1 for a closed candidate. */
  readonly option: CompiledOption | undefined;
  readonly index: number;
  readonly node: number;
  /** The number of the content in the scratch node. */
  readonly kept: number;
  /** The worth of the content. */
  readonly packed: number;
  /** USD per hour, with the expected cost of interruptions. */
  readonly price: number;
}

/** The node that costs least together with nodes for the other pods at the best rate among these. */
const cheapestWithRest = (filledNodes: readonly FilledNode[], total: number): FilledNode | undefined => {
  let rate = Number.POSITIVE_INFINITY;
  for (const { price, packed } of filledNodes) rate = Math.min(rate, price / packed);
  let best: FilledNode | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const filled of filledNodes) {
    const cost = filled.price + Math.max(0, total - filled.packed) * rate;
    if (cost < least - 1e-12) {
      least = cost;
      best = filled;
    }
  }
  return best;
};

/** How many nodes with this content to buy at once: all but the last that the pods suffice for, at least one. */
const copiesOf = (
  packing: Packing,
  option: CompiledOption | undefined,
  content: Content,
  left: Int32Array,
): number => {
  if (!option || content.some(([podClass]) => packing.counts.hasRules(podClass))) return 1;
  let copies = Number.POSITIVE_INFINITY;
  for (const [podClass, n] of content) copies = Math.min(copies, Math.floor(intAt(left, podClass) / n));
  return Math.max(1, copies - 1);
};

/** The options with the best rates, as indices in the pruner. */
const shortlistOf = (filledNodes: readonly FilledNode[]): number[] => {
  const ranked = filledNodes
    .filter(({ option }) => option)
    .sort((a, b) => a.price / a.packed - b.price / b.packed);
  return [...new Set(ranked.map(({ index }) => index))].slice(0, SHORTLIST);
};

/**
 * Opens nodes until `left` is empty or nothing more fits, each time the node that costs least together with nodes for
 * the other pods. Returns false when pods are left over, which `left` then names.
 */
export const openAndFill = (packing: Packing, left: Int32Array, o: FillOptions): boolean => {
  if (openNodes(packing, left, o)) return true;
  joinLeaders(packing, left, o);
  return left.every((n) => n === 0);
};

const openNodes = (packing: Packing, left: Int32Array, o: FillOptions): boolean => {
  const reopen = new Set((o.reopen ?? []).filter((node) => byteAt(packing.open, node) === 0));
  const remaining = new RemainingPods(packing, left, o);
  const scratch = new ScratchNode(packing);
  const pruner = new OptionPruner(packing, o.options, o.prices);
  const { options } = pruner;
  const everyIndex = [...options.keys()];
  let shortlist: readonly number[] = [];
  let sinceFull = 0;
  // Where pods have rules about each other, the largest node holds far less than its room.
  const isRuled = packing.problem.rules.tallies.length > 0;
  let fullest = isRuled ? 0 : pruner.largest;
  let filledNodes: FilledNode[] = [];
  const tryNode = (
    option: CompiledOption | undefined,
    index: number,
    node: number,
    nodeClass: number,
    room: Float64Array,
  ): void => {
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
  while (remaining.pods > 0) {
    filledNodes = [];
    scratch.dropKept();
    pruner.begin(remaining.total);
    for (const node of reopen) {
      tryNode(undefined, -1, node, intAt(packing.nodeClass, node), packing.roomOf(node));
    }
    // While many pods are left the same few options stay best: all are tried only now and then.
    const isFull = sinceFull === 0 || remaining.total < FEW_NODES_LEFT * fullest;
    sinceFull = (sinceFull + 1) % FULL_EVERY;
    const next = packing.nextNode();
    for (const index of isFull ? everyIndex : shortlist) {
      const option = itemAt(options, index);
      if (packing.limits.canBuy(option) && !pruner.isDominated(index))
        tryNode(option, index, next, option.nodeClass, option.room);
    }
    const best = cheapestWithRest(filledNodes, remaining.total);
    if (!best) {
      if (isFull || shortlist.length === 0) return false;
      shortlist = [];
      sinceFull = 0;
      continue;
    }
    if (shortlist.length === 0 || sinceFull === 1) {
      if (isRuled) fullest = Math.max(...filledNodes.map(({ packed }) => packed));
      shortlist = shortlistOf(filledNodes);
    }
    const content = scratch.contentOf(best.kept);
    const copies = copiesOf(packing, best.option, content, left);
    const firstPrice = best.option ? packing.priceOf(best.option) : 0;
    for (let copy = 0; copy < copies && remaining.pods > 0; copy += 1) {
      let { node } = best;
      if (best.option) {
        // Once a commitment has run out the options are weighed again.
        if (!packing.limits.canBuy(best.option) || packing.priceOf(best.option) > firstPrice) break;
        node = packing.buy(best.option);
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
