import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import { openTargets, rebuild } from './localsearch.ts';

/** Two plans whose costs are this near each other, as a part, are as good: the one that moves fewer pods wins. */
export const MOVE_TOLERANCE = 0.005;

/** Bought nodes that are rebuilt together once some of their pods are back where they were. */
const MAX_REBUILT = 4;

/** Takes pods of a shape from nodes that did not have them at first; returns how many, and notes where they came from. */
const takeFrom = (packing: Packing, podClass: number, most: number, donors: Set<number>): number => {
  let taken = 0;
  for (let node = packing.nodes - 1; node >= 0 && taken < most; node -= 1) {
    if (!packing.open[node]) continue;
    const spare = (packing.content[node]?.get(podClass) ?? 0) - packing.originalCount(node, podClass);
    if (spare <= 0) continue;
    const n = Math.min(spare, most - taken);
    packing.put(podClass, node, -n);
    taken += n;
    if (node >= packing.existingCount) donors.add(node);
  }
  return taken;
};

/** Opens a closed candidate with the pods that it had; false, and in disorder, where that can't be. */
const restore = (packing: Packing, node: number, donors: Set<number>): boolean => {
  packing.setOpen(node, true);
  for (const [podClass, n] of packing.originalContent(node)) {
    if (takeFrom(packing, podClass, n, donors) < n || packing.putUpTo(podClass, node, n) < n) return false;
  }
  return true;
};

/**
 * Gives closed candidates their pods back, one after the other, the best used first, as long as the plan stays as good
 * as it was, and cheaper than `before`: what was bought for those pods is rebuilt without them.
 */
export const reduceMoves = (
  packing: Packing,
  candidates: readonly number[],
  o: FillOptions,
  effort: { readonly isOver: () => boolean; readonly rounds: number; readonly before: number },
): void => {
  const limit = Math.min(packing.cost() * (1 + MOVE_TOLERANCE), effort.before - 1e-6);
  const worthOf = (node: number): number => {
    let held = 0;
    for (const [podClass, n] of packing.originalContent(node)) held += n * (o.worth[podClass] ?? 0);
    return held / Math.max(packing.problem.existingNodes[node]?.price ?? 0, 1e-6);
  };
  const closed = candidates
    .filter((node) => !packing.open[node] && packing.originalContent(node).size > 0)
    .sort((a, b) => worthOf(b) - worthOf(a) || a - b);
  packing.undoLog.commit();
  for (const node of closed.slice(0, effort.rounds)) {
    if (effort.isOver()) return;
    const { moved } = packing;
    packing.undoLog.mark();
    const donors = new Set<number>();
    const isBack = restore(packing, node, donors);
    const chosen = [...donors]
      .sort((a, b) => packing.fullness(a, o.worth) - packing.fullness(b, o.worth))
      .slice(0, MAX_REBUILT);
    const targets = openTargets(packing).filter((each) => !chosen.includes(each));
    const isDone = isBack && rebuild(packing, chosen, targets, [], o);
    if (
      isDone &&
      packing.moved < moved &&
      packing.cost() <= limit &&
      packing.satisfiesAllRules() &&
      packing.keepsLimits()
    ) {
      packing.undoLog.commit();
    } else packing.undo();
  }
};
