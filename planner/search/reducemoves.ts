import { mustGoIn } from '../packing/existingnode.ts';
import { byteAt, floatAt, itemAt } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import { fullness } from './effort.ts';
import type { FillOptions } from './filloptions.ts';
import { openTargets, rebuild } from './rebuild.ts';

/** Two plans whose costs differ by no more than this part are equally good: the one that moves fewer pods wins. */
export const MOVE_TOLERANCE = 0.005;

/** Bought nodes that are rebuilt together at most, once some of their pods are back where they were. */
const MAX_REBUILT = 4;

/** Takes pods of a class off nodes that did not have them at first. Returns how many; `donors` gets the bought nodes. */
const takeMoved = (packing: Packing, podClass: number, most: number, donors: Set<number>): number => {
  let taken = 0;
  for (let node = packing.nodes - 1; node >= 0 && taken < most; node -= 1) {
    if (byteAt(packing.open, node) === 0) continue;
    const held = itemAt(packing.content, node).get(podClass) ?? 0;
    const moved = held - packing.original.count(node, podClass);
    if (moved <= 0) continue;
    const n = Math.min(moved, most - taken);
    packing.put(podClass, node, -n);
    taken += n;
    if (node >= packing.existingCount) donors.add(node);
  }
  return taken;
};

/** Opens a closed candidate with the pods that it had. On false the caller must undo. */
const restore = (packing: Packing, node: number, donors: Set<number>): boolean => {
  packing.setOpen(node, true);
  for (const [podClass, n] of packing.original.of(node)) {
    if (takeMoved(packing, podClass, n, donors) < n || packing.putUpTo(podClass, node, n) < n) return false;
  }
  return true;
};

/**
 * Gives closed candidates their pods back, the fullest first, as long as the plan stays within MOVE_TOLERANCE of its
 * cost and cheaper than `before`. Nodes that were bought for those pods are rebuilt without them.
 */
export const reduceMoves = (
  packing: Packing,
  candidates: readonly number[],
  o: FillOptions,
  effort: { readonly isOver: () => boolean; readonly rounds: number; readonly before: number },
): void => {
  const limit = Math.min(packing.cost() * (1 + MOVE_TOLERANCE), effort.before - 1e-6);
  const originalFullness = (node: number): number => {
    let held = 0;
    for (const [podClass, n] of packing.original.of(node)) held += n * floatAt(o.worth, podClass);
    return held / Math.max(itemAt(packing.problem.existingNodes, node).price, 1e-6);
  };
  const mustGo = mustGoIn(packing.problem.existingNodes);
  const closed = candidates
    .filter((node) => byteAt(packing.open, node) === 0 && packing.original.of(node).size > 0)
    .filter((node) => !mustGo.has(node))
    .sort((a, b) => originalFullness(b) - originalFullness(a) || a - b);
  packing.undoLog.commit();
  for (const node of closed.slice(0, effort.rounds)) {
    if (effort.isOver()) return;
    const { moved } = packing.original;
    packing.undoLog.mark();
    const donors = new Set<number>();
    const isRestored = restore(packing, node, donors);
    const rebuilt = [...donors]
      .sort((a, b) => fullness(packing, a, o.worth) - fullness(packing, b, o.worth))
      .slice(0, MAX_REBUILT);
    const targets = openTargets(packing).filter((target) => !rebuilt.includes(target));
    if (
      isRestored &&
      rebuild(packing, rebuilt, targets, [], { ...o, isOver: effort.isOver }) &&
      packing.original.moved < moved &&
      packing.cost() <= limit &&
      packing.satisfiesAllRules() &&
      packing.limits.areKept()
    ) {
      packing.undoLog.commit();
    } else packing.undo();
  }
};
