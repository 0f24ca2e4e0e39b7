import type { Lease, Node } from '../../api/objects.ts';
import { LEASES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isAlreadyExists, isTerminal } from '../../kube/errors.ts';
import { getOrUndefined } from '../../kube/ignore.ts';

const NAMESPACE = 'kube-node-lease';
/** The kubelet's value; kube-controller-manager reads renewTime alone. */
const DURATION_SECONDS = 40;

// The API server accepts a MicroTime with exactly six digits.
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

/**
 * Renews the heartbeat of a node whose kubelet has not joined. Without it, kube-controller-manager marks the Node
 * unreachable after a minute and evicts its pods five minutes later.
 */
export const renewNodeLease = async (
  client: KubeClient,
  node: Node,
  now: number,
  signal: AbortSignal,
): Promise<void> => {
  const { name, uid } = node.metadata;
  const spec = {
    holderIdentity: name,
    leaseDurationSeconds: DURATION_SECONDS,
    renewTime: microTime(now),
  };
  const ownerReferences = uid ? [{ apiVersion: 'v1', kind: 'Node', name, uid }] : [];
  const ref = { namespace: NAMESPACE, name };
  const patch = client.patch(LEASES, ref, { metadata: { ownerReferences }, spec }, { signal });
  try {
    if (await getOrUndefined(patch)) return;
  } catch (error) {
    // Our own admission policy: the kubelet has joined a moment ago and renews the Lease itself.
    if (isTerminal(error)) return;
    throw error;
  }
  const lease: Lease = { metadata: { ...ref, ownerReferences }, spec };
  try {
    await client.create(LEASES, lease, { signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
};
