import { parseOwnerMark } from '../../api/identity/ownermark.ts';
import { KARPENTER_DO_NOT_DISRUPT, OWNED_BY } from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { fateOf } from '../../kube/undo/nodes.ts';
import { type Caches, nodeOf } from '../caches.ts';
import { withdrawClaims } from './create/decide.ts';
import { releaseStep } from './reservation.ts';
import { giveUpClaim } from './writes/claims.ts';
import { removePod } from './writes/pods.ts';
import { openNode, releaseNode } from './writes/reservation.ts';

/** Machines that plans added, reserved and left behind: what becomes of them is decided as in the clean-up. */

type Owner = NonNullable<ReturnType<typeof parseOwnerMark>>;

/** The plan that ordered a NodeClaim and has not released it. */
export const ordererOf = ({
  metadata: { annotations = {}, deletionTimestamp },
}: NodeClaim): Owner | undefined =>
  annotations[KARPENTER_DO_NOT_DISRUPT] === undefined || deletionTimestamp !== undefined
    ? undefined
    : parseOwnerMark(annotations[OWNED_BY]);

/** Gives up or opens the machine of a plan that no longer exists. */
export const giveBackMachine = async (
  w: { readonly client: KubeClient; readonly signal: AbortSignal },
  caches: Pick<Caches, 'nodes' | 'pods' | 'nodePools'>,
  claim: NodeClaim,
  owner: Owner,
): Promise<void> => {
  const { name, labels } = claim.metadata;
  const plan = { metadata: owner };
  const node = nodeOf(caches, claim);
  const pods = node ? caches.pods.by('node', node.metadata.name) : [];
  if (node && fateOf({ node, claim, pods, plan: undefined, phase: undefined }) === 'release') {
    const nodePools = new Map(caches.nodePools.list().map((pool) => [pool.metadata.name, pool]));
    const planned = { metadata: { name, ...(labels && { labels }) } };
    const step = { ...releaseStep({ nodePools }, name, node, planned), isDisowned: true };
    // The mark on the NodeClaim brings us back here after a crash, so it goes once the node is open.
    await openNode(w, plan, step);
    return await releaseNode(w, plan, step);
  }
  const state = {
    plan,
    nodeClaims: new Map([[name, claim]]),
    nodes: new Map(node ? [[name, node]] : []),
    pods: new Map([[name, pods]]),
  };
  for (const step of withdrawClaims(state, [name])) {
    if (step.kind === 'remove-pod') await removePod(w, step);
    if (step.kind === 'delete-claim') await giveUpClaim(w, state, step);
  }
};
