import type { NodePool } from '../../api/objects.ts';
import { isReschedulable } from '../../api/pods.ts';
import { consolidationHold, type StateNode } from './candidate.ts';

/** Where a plan that removes these nodes does what Karpenter's own consolidation would not, in sentences. */
export const passedHolds = (removed: readonly Pick<StateNode, 'pool' | 'pods'>[]): string[] => {
  const nodesOf = new Map<NodePool, number>();
  for (const { pool, pods } of removed) {
    // An empty node may go by either policy, but not by consolidateAfter Never.
    const isHeld = pods.some(isReschedulable) || pool?.spec.disruption?.consolidateAfter === 'Never';
    if (pool && isHeld) nodesOf.set(pool, (nodesOf.get(pool) ?? 0) + 1);
  }
  return [...nodesOf].flatMap(([pool, count]) => {
    const hold = consolidationHold(pool);
    const nodes = count === 1 ? '1 node' : `${count} nodes`;
    return hold === undefined
      ? []
      : [
          `The plan goes past ${hold} of NodePool ${pool.metadata.name}, which holds Karpenter's consolidation back, and replaces ${nodes}: leave its nodes out with a scope where that is not meant.`,
        ];
  });
};
