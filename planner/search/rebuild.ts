import { itemAt, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import { fillOpen, openAndFill } from './greedy.ts';

const { byteAt, floatAt, intAt } = readers;

/** Fill options for one attempt; `perturbWorth` changes the order in which pods are placed. */
export type RebuildOptions = FillOptions & { readonly perturbWorth?: (worth: number) => number };

/** Open nodes that pods may be put onto. */
export const openTargets = (packing: Packing): number[] => {
  const { existingCount, open } = packing;
  const { existingNodes } = packing.problem;
  const nodes: number[] = [];
  for (let node = 0; node < packing.nodes; node += 1) {
    if (byteAt(open, node) === 0) continue;
    if (node >= existingCount || itemAt(existingNodes, node).acceptsPods) nodes.push(node);
  }
  return nodes;
};

/**
 * Empties and closes nodes and places their pods again: on `targets` first, then on new nodes or those in `reopen`.
 * When it returns false pods have no node, and the caller must undo.
 */
export const rebuild = (
  packing: Packing,
  nodes: readonly number[],
  targets: readonly number[],
  reopen: readonly number[],
  o: RebuildOptions,
): boolean => {
  const left = new Int32Array(packing.problem.podClasses.length);
  const rank = new Map<number, number>();
  for (const node of nodes) {
    for (const [podClass, n] of packing.empty(node)) {
      left[podClass] = intAt(left, podClass) + n;
      if (rank.has(podClass)) continue;
      const worth = floatAt(o.worth, podClass);
      rank.set(podClass, o.perturbWorth ? o.perturbWorth(worth) : worth);
    }
    if (node < packing.existingCount) packing.setOpen(node, false);
    else packing.sell(node);
  }
  const order = Int32Array.from(
    [...rank].sort((a, b) => b[1] - a[1] || a[0] - b[0]),
    ([podClass]) => podClass,
  );
  fillOpen(packing, left, targets, { order });
  return openAndFill(packing, left, { ...o, order, reopen });
};
