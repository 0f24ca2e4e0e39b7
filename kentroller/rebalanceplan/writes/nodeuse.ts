import { foreignMark, isMarkedBy, ownerMark } from '../../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { KubeObject, NodeClaim } from '../../../api/objects.ts';
import { foreignNodeOf } from '../../../api/plans.ts';
import { NODE_CLAIMS, NODES, type Resource } from '../../../api/resources.ts';
import { updateIfThere } from '../../../kube/update.ts';
import { FIELD_MANAGER } from '../create/unavailable.ts';
import { foreignUids } from '../state/claimnames.ts';
import { IN_USE_BY } from '../state/labels.ts';
import type { Writer } from './writer.ts';

/** Taking and freeing the nodes that a plan uses. The API server decides between plans, by resourceVersion. */

type Owner = Pick<RebalancePlan, 'metadata'>;

/** Writes who uses an object, null for nobody; with a uid, no other one of the name is written. */
const markObject = <T extends KubeObject>(
  { client, signal }: Pick<Writer, 'client' | 'signal'>,
  resource: Resource<T>,
  { name, uid }: { readonly name: string; readonly uid?: string },
  value: (object: T) => string | null | undefined,
): Promise<T | undefined> =>
  updateIfThere({ client, resource, ref: { name }, fieldManager: FIELD_MANAGER, signal }, (object) => {
    const next = uid === undefined || object.metadata.uid === uid ? value(object) : undefined;
    return next === undefined ? undefined : { metadata: { annotations: { [IN_USE_BY]: next } } };
  });

/** Writes who uses a NodeClaim. */
export const markUse = (
  w: Pick<Writer, 'client' | 'signal'>,
  claim: { readonly name: string; readonly uid?: string },
  value: (claim: NodeClaim) => string | null | undefined,
): Promise<NodeClaim | undefined> => markObject(w, NODE_CLAIMS, claim, value);

/** Writes who uses a place: a NodeClaim by its name, or the node of a destination that Karpenter does not own. */
const markPlace = (
  w: Pick<Writer, 'client' | 'signal'>,
  place: string,
  value: (object: KubeObject) => string | null | undefined,
  uid?: string,
): Promise<KubeObject | undefined> => {
  const node = foreignNodeOf(place);
  return node === undefined
    ? markObject(w, NODE_CLAIMS, { name: place }, value)
    : markObject(w, NODES, { name: node, ...(uid !== undefined && { uid }) }, value);
};

export const freeNode = async (
  w: Pick<Writer, 'client' | 'signal'>,
  owner: Owner,
  place: string,
): Promise<void> => {
  await markPlace(w, place, (found) => (isMarkedBy(owner, found, IN_USE_BY) ? null : undefined));
};

/**
 * Takes the places one after the other, in their order; true when the plan has all that exist. Otherwise it frees those
 * that it got, so that two plans never wait for each other.
 */
export const takeNodes = async (
  w: Writer,
  plan: RebalancePlan,
  places: readonly string[],
): Promise<boolean> => {
  const uids = foreignUids(plan);
  for (const place of places) {
    const isFree = (object: KubeObject): boolean =>
      object.metadata.annotations?.[IN_USE_BY] === undefined && !object.metadata.deletionTimestamp;
    const object = await markPlace(
      w,
      place,
      (found) => (isFree(found) ? ownerMark(plan) : undefined),
      uids.get(place),
    );
    if (object && foreignMark(plan, object, IN_USE_BY) !== undefined) {
      for (const taken of places.slice(0, places.indexOf(place))) await freeNode(w, plan, taken);
      return false;
    }
  }
  return true;
};
