import { intAt, itemAt } from '../packing/matrix.ts';
import { Packing } from '../packing/packing.ts';
import type { Problem } from '../packing/problem.ts';
import { packOntoNewNodes } from './construct.ts';
import type { FillOptions } from './filloptions.ts';
import { fillOpen } from './greedy.ts';

const countOf = (left: Int32Array): number => left.reduce((sum, n) => sum + n, 0);

/**
 * Places the pending pods, on existing nodes first. `left` is pods without a place, per pod class. With `leadersFirst`
 * pods that must be where others are come last, so that the others decide where.
 */
const placeAll = (
  packing: Packing,
  targets: readonly number[],
  o: FillOptions,
  isOver: () => boolean,
  leadersFirst: boolean,
): Int32Array => {
  const left = Int32Array.from(packing.problem.pending);
  const { counts } = packing;
  const parts = leadersFirst
    ? [
        left.map((n, each) => (counts.follows(each) ? 0 : n)),
        left.map((n, each) => (counts.follows(each) ? n : 0)),
      ]
    : [left];
  for (const part of parts) {
    fillOpen(packing, part, targets, o);
    packOntoNewNodes(packing, part, o, isOver);
  }
  return parts.length === 1
    ? left
    : left.map((_, each) => parts.reduce((sum, part) => sum + intAt(part, each), 0));
};

/**
 * Takes off the pods that others rule out where they are, should these come first: a plan can't tell pods when to come.
 * Adds them to `left`.
 */
export const dropMisplaced = (packing: Packing, left: Int32Array): void => {
  const { counts } = packing;
  for (let isMore = true; isMore; ) {
    isMore = false;
    for (let node = 0; node < packing.nodes; node += 1) {
      if (packing.open[node] !== 1) continue;
      const nodeClass = intAt(packing.nodeClass, node);
      for (const [podClass, n] of [...itemAt(packing.content, node)]) {
        if (n <= 0 || !counts.hasRules(podClass)) continue;
        packing.put(podClass, node, -1);
        if (counts.satisfiesAffinity(podClass, node, nodeClass)) packing.put(podClass, node, 1);
        else {
          left[podClass] = intAt(left, podClass) + 1;
          isMore = true;
        }
      }
      if (node >= packing.existingCount && itemAt(packing.content, node).size === 0) packing.sell(node);
    }
  }
};

/** Places the pending pods in each of several ways until one places all of them so that every rule holds at the end. */
export const placeWaiting = (
  problem: Problem,
  targets: readonly number[],
  o: FillOptions,
  isOver: () => boolean,
): { readonly packing: Packing; readonly left: Int32Array } => {
  let best: { readonly packing: Packing; readonly left: Int32Array } | undefined;
  const isGood = (packing: Packing, left: Int32Array): boolean =>
    countOf(left) === 0 && packing.satisfiesAllRules();
  for (const isStrict of [false, true]) {
    for (const leadersFirst of [false, true]) {
      const packing = new Packing(problem);
      if (leadersFirst && !packing.counts.hasFollowers) continue;
      // Where spread quotas failed, each pod comes only where its rules hold at that moment.
      if (isStrict) packing.counts.dropSpreadQuotas();
      const left = placeAll(packing, targets, o, isOver, leadersFirst);
      if (isGood(packing, left)) return { packing, left };
      if (isStrict || packing.satisfiesAllRules()) {
        dropMisplaced(packing, left);
        if (!best || countOf(left) < countOf(best.left)) best = { packing, left };
      }
    }
    // Pods that are left without a broken rule lack room, which strictness does not give.
    if (best?.packing.counts.hasFollowers === false) break;
  }
  if (!best) throw new Error('a strict attempt always gives an answer');
  return best;
};
