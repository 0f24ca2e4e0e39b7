import { mustGoIn } from '../packing/existingnode.ts';
import { byteAt } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import { type Effort, EPSILON, objective } from './effort.ts';
import type { FillOptions } from './filloptions.ts';
import { openTargets, rebuild } from './rebuild.ts';
import { rightsize } from './rightsize.ts';

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
