import { mustGoIn } from '../packing/existingnode.ts';
import { byteAt } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import { type Effort, EPSILON, fullness, objective, worthInPlace } from './effort.ts';
import type { FillOptions } from './filloptions.ts';
import { openTargets, rebuild } from './rebuild.ts';
import { rightsize } from './rightsize.ts';

/** Prefixes that are tried at most. */
const MAX_PREFIXES = 20;

/**
 * Empties prefixes of the candidates, the worst used first, and keeps the prefix that saves most. This is the first
 * answer, from which `improve` goes on.
 */
export const replacePrefix = (
  packing: Packing,
  candidates: readonly number[],
  untimed: FillOptions,
  effort: Effort,
): void => {
  const o = { ...untimed, isOver: effort.isOver };
  const worth = worthInPlace(o, effort);
  const order = [...candidates].sort(
    (a, b) => fullness(packing, a, worth) - fullness(packing, b, worth) || a - b,
  );
  let best = objective(packing, effort) - EPSILON;
  let bestSize = 0;
  const replace = (size: number): boolean => {
    const prefix = new Set(order.slice(0, size));
    const targets = openTargets(packing).filter((node) => !prefix.has(node));
    const isPlaced = rebuild(packing, [...prefix], targets, [], o);
    if (isPlaced) rightsize(packing);
    return isPlaced;
  };
  const tried = new Set<number>();
  const attempt = (size: number): void => {
    if (size <= 0 || tried.has(size) || (tried.size > 0 && effort.isOver())) return;
    tried.add(size);
    packing.undoLog.mark();
    if (replace(size)) {
      const value = objective(packing, effort);
      if (value < best && packing.satisfiesAllRules()) {
        best = value;
        bestSize = size;
      }
    }
    packing.undo();
  };
  for (let part = 8; part >= 1; part -= 1) attempt(Math.round((order.length * part) / 8));
  let step = Math.floor(order.length / 16);
  for (; step >= 1 && tried.size < MAX_PREFIXES; step = Math.floor(step / 2)) {
    attempt(bestSize - step);
    attempt(bestSize + step > order.length ? 0 : bestSize + step);
  }
  if (bestSize > 0) replace(bestSize);
};

/**
 * Replaces each node that must go and is still open, one by one: random rounds may never come to the one among thousands.
 * A node stays where no place for its pods is within its price and premium.
 */
export const replaceMustGo = (packing: Packing, untimed: FillOptions, effort: Effort): void => {
  const o = { ...untimed, isOver: effort.isOver };
  packing.undoLog.commit();
  for (const node of mustGoIn(packing.problem.existingNodes)) {
    if (byteAt(packing.open, node) === 0) continue;
    const before = objective(packing, effort);
    packing.undoLog.mark();
    const targets = openTargets(packing).filter((target) => target !== node);
    const isPlaced = rebuild(packing, [node], targets, [], o);
    if (isPlaced) rightsize(packing);
    const isCheaper = isPlaced && objective(packing, effort) < before - EPSILON;
    if (isCheaper && packing.satisfiesAllRules()) packing.undoLog.commit();
    else packing.undo();
  }
};
