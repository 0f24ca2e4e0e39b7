import { foreignMark, isMarkedBy, ownerMark } from '../../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { NodeClaim } from '../../../api/objects.ts';
import { NODE_CLAIMS } from '../../../api/resources.ts';
import { updateIfThere } from '../../../kube/update.ts';
import { FIELD_MANAGER } from '../create/unavailable.ts';
import { IN_USE_BY } from '../state/labels.ts';
import type { Writer } from './writer.ts';

/** Taking and freeing the nodes that a plan uses. The API server decides between plans, by resourceVersion. */

type Owner = Pick<RebalancePlan, 'metadata'>;

/** Writes who uses a NodeClaim, null for nobody; with a uid, no other claim of the name is written. */
export const markUse = (
  { client, signal }: Pick<Writer, 'client' | 'signal'>,
  { name, uid }: { readonly name: string; readonly uid?: string },
  value: (claim: NodeClaim) => string | null | undefined,
): Promise<NodeClaim | undefined> =>
  updateIfThere(
    { client, resource: NODE_CLAIMS, ref: { name }, fieldManager: FIELD_MANAGER, signal },
    (claim) => {
      const next = uid === undefined || claim.metadata.uid === uid ? value(claim) : undefined;
      return next === undefined ? undefined : { metadata: { annotations: { [IN_USE_BY]: next } } };
    },
  );

export const freeNode = async (
  w: Pick<Writer, 'client' | 'signal'>,
  owner: Owner,
  claim: string,
): Promise<void> => {
  await markUse(w, { name: claim }, (found) => (isMarkedBy(owner, found, IN_USE_BY) ? null : undefined));
};

/**
 * Takes the NodeClaims one after the other, in their order; true when the plan has all that exist. Otherwise it frees
 * those that it got, so that two plans never wait for each other.
 */
export const takeNodes = async (
  w: Writer,
  plan: RebalancePlan,
  claims: readonly string[],
): Promise<boolean> => {
  for (const name of claims) {
    const isFree = (claim: NodeClaim): boolean =>
      claim.metadata.annotations?.[IN_USE_BY] === undefined && !claim.metadata.deletionTimestamp;
    const claim = await markUse(w, { name }, (found) => (isFree(found) ? ownerMark(plan) : undefined));
    if (claim && foreignMark(plan, claim, IN_USE_BY) !== undefined) {
      for (const taken of claims.slice(0, claims.indexOf(name))) await freeNode(w, plan, taken);
      return false;
    }
  }
  return true;
};
