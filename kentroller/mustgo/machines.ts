import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { type Caches, nodeOf } from '../caches.ts';

/** A node with its NodeClaim, NodePool and pods. */
export interface Machine {
  readonly node: Node;
  readonly claim: NodeClaim;
  readonly pool: NodePool | undefined;
  readonly pods: readonly Pod[];
}

export const poolNameOf = ({ metadata }: NodeClaim): string =>
  valueAt(metadata.labels, KARPENTER_NODEPOOL) ?? '';

/** Karpenter's machines whose nodes are there. */
export const machinesOf = (caches: Caches, pools: ReadonlyMap<string, NodePool>): readonly Machine[] =>
  caches.nodeClaims.list().flatMap((claim) => {
    const node = nodeOf(caches, claim);
    if (!node) return [];
    const pods = caches.pods.by('node', node.metadata.name);
    return [{ node, claim, pool: pools.get(poolNameOf(claim)), pods }];
  });
