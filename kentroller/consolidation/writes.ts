import { consolidationOwner, isMarkedBy, ownerMark } from '../../api/identity/ownermark.ts';
import { IN_USE_BY, REMOVAL_TAINT } from '../../api/labels.ts';
import { taintsWithout } from '../../api/nodes.ts';
import type { Node, NodeClaim, Taint } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { NODE_CLAIMS, NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { updateIfThere } from '../../kube/update.ts';
import { markUse } from '../rebalanceplan/writes/nodeuse.ts';

/**
 * Writes of node consolidation. Each is decided on the object as it is at the write, can be done twice, and leaves what
 * the next process needs to go on or to take it back. See docs/designs/0044-node-consolidation.md.
 */

const FIELD_MANAGER = 'castai-kentroller';

export interface Writer {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}

type Ref = Pick<NodeClaim, 'metadata'>;

/** Takes the claim as plans do, so that none of them can; false for one that is in use or going. */
export const markClaim = async (w: Writer, claim: Ref): Promise<boolean> => {
  const marked = await markUse(w, claim.metadata, (found) => {
    const isFree = valueAt(found.metadata.annotations, IN_USE_BY) === undefined;
    return isFree && !found.metadata.deletionTimestamp ? ownerMark(consolidationOwner(found)) : undefined;
  });
  return marked !== undefined && isMarkedBy(consolidationOwner(claim), marked, IN_USE_BY);
};

export const freeClaim = async (w: Writer, claim: Ref): Promise<void> => {
  await markUse(w, claim.metadata, (found) =>
    isMarkedBy(consolidationOwner(found), found, IN_USE_BY) ? null : undefined,
  );
};

const updateTaints = async (
  { client, signal }: Writer,
  { metadata: { name, uid } }: Pick<Node, 'metadata'>,
  next: readonly Taint[],
): Promise<void> => {
  await updateIfThere(
    { client, resource: NODES, ref: { name }, fieldManager: FIELD_MANAGER, signal },
    (node) => {
      const taints = node.spec?.taints ?? [];
      const others = taintsWithout(node, REMOVAL_TAINT);
      const isSame = others.length === taints.length && next.length === 0;
      if (node.metadata.uid !== uid || isSame) return undefined;
      const all = [...others, ...next];
      return { metadata: {}, spec: { taints: all.length > 0 ? all : null } };
    },
  );
};

/** Keeps new pods away; the time on the taint says from when on, whatever process looks. */
export const closeNode = (w: Writer, node: Pick<Node, 'metadata'>, now: number): Promise<void> => {
  // Kubernetes' times have whole seconds; rounded up, so that none is waited too short.
  const timeAdded = new Date(Math.ceil(now / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  return updateTaints(w, node, [{ key: REMOVAL_TAINT, effect: 'NoSchedule', timeAdded }]);
};

export const openNode = (w: Writer, node: Pick<Node, 'metadata'>): Promise<void> => updateTaints(w, node, []);

/** Deletes the claim if it is still the one that was looked at, unchanged since. */
export const deleteClaim = async ({ client, signal }: Writer, claim: NodeClaim): Promise<void> => {
  const { name, uid, resourceVersion } = claim.metadata;
  if (uid === undefined || resourceVersion === undefined) {
    throw new TypeError(`NodeClaim ${name} has no uid or resourceVersion`);
  }
  await client.delete(NODE_CLAIMS, { name }, { uid, resourceVersion, signal });
};
