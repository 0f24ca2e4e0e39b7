import { hasJoined } from '../../api/nodes.ts';
import { NODE_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isAborted, isNotFound, messageOf } from '../../kube/errors.ts';
import { type ClaimAnswer, isPlaceholder, type PlaceholderFacts } from './decide.ts';

/** The NodeClaim that ordered a machine. */
interface ClaimRef {
  readonly name: string;
  readonly uid: string;
}

/**
 * The NodeClaim whose machine has not joined: that of the intent, else the one that Karpenter named as the owner of its
 * Node. undefined where there is none, or its uid is not known: the source answers for it then, up to the join deadline.
 */
export const claimAwaited = ({
  intent,
  node,
}: Pick<PlaceholderFacts, 'intent' | 'node'>): ClaimRef | undefined => {
  if (node && (hasJoined(node) || !isPlaceholder(node))) return undefined;
  if (intent?.node)
    return intent.node.nodeClaimUid ? { name: intent.nodeClaim, uid: intent.node.nodeClaimUid } : undefined;
  return node?.metadata.ownerReferences?.find(({ kind }) => kind === 'NodeClaim');
};

/** Asks the API server, not a cache, whether a NodeClaim still orders its machine. Only its plain word counts as gone. */
export const askForClaim = async (
  client: Pick<KubeClient, 'get'>,
  { name, uid }: ClaimRef,
  signal: AbortSignal,
): Promise<ClaimAnswer> => {
  const missing: ClaimAnswer = { state: 'gone', reason: `its NodeClaim ${name} no longer exists` };
  try {
    const claim = await client.get(NODE_CLAIMS, { name }, { signal });
    if (claim.metadata.uid !== uid) return missing;
    if (claim.metadata.deletionTimestamp)
      return { state: 'gone', reason: `its NodeClaim ${name} is being deleted` };
    return { state: 'there', reason: '' };
  } catch (error) {
    if (isAborted(error)) throw error;
    if (isNotFound(error)) return missing;
    return { state: 'unknown', reason: `its NodeClaim ${name} can't be read: ${messageOf(error)}` };
  }
};
