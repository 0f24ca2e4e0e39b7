import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { countNodes, type DisruptableNode, type NodeCount } from '../../planner/cluster/disruptionbudget.ts';
import { type Caches, nodeOf } from '../caches.ts';
import { isMarked } from '../policies/limits.ts';
import type { Ledger } from './ledger.ts';

/** Longest time for which one count serves; the last look counts anew. */
const COUNTED_MS = 1_000;
const NONE: NodeCount = { total: 0, disrupted: 0 };

export const poolNameOf = ({ metadata: { labels } }: NodeClaim): string =>
  valueAt(labels, KARPENTER_NODEPOOL) ?? '';

/** The claim as budgets count one whose node we are taking out. */
export const asGoing = (claim: NodeClaim): NodeClaim => ({
  ...claim,
  metadata: { ...claim.metadata, deletionTimestamp: 'now' },
});

/** Nodes of each NodePool as its disruption budgets count them, by its name; counted once for all nodes that are looked at. */
export const createPoolCounts = (o: {
  readonly caches: Pick<Caches, 'nodes' | 'nodeClaims'>;
  readonly ledger: Ledger;
  readonly now: () => number;
}): ((pool: string) => NodeCount) => {
  const { caches, ledger, now } = o;
  let last:
    | { readonly at: number; readonly version: number; readonly counts: Map<string, NodeCount> }
    | undefined;
  const count = (): Map<string, NodeCount> => {
    const pools = new Map<string, DisruptableNode[]>();
    for (const claim of caches.nodeClaims.list()) {
      const node = nodeOf(caches, claim);
      if (!node) continue;
      const isGoing = isMarked(claim) || ledger.isBegun(claim);
      const counted = { node, claim: isGoing ? asGoing(claim) : claim };
      const known = pools.get(poolNameOf(claim));
      if (known) known.push(counted);
      else pools.set(poolNameOf(claim), [counted]);
    }
    return new Map([...pools].map(([pool, nodes]) => [pool, countNodes(nodes)]));
  };
  return (pool) => {
    const at = now();
    if (!last || last.version !== ledger.version || at - last.at >= COUNTED_MS || at < last.at)
      last = { at, version: ledger.version, counts: count() };
    return last.counts.get(pool) ?? NONE;
  };
};
