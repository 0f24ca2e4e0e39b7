import type { Pod } from '../api/objects.ts';
import { PODS } from '../api/resources.ts';
import type { KubeClient } from './client/client.ts';

/**
 * The body of a patch that nominates a pod, or with null takes its nomination off; a conflict unless the pod is as it was seen:
 * kube-scheduler, kentroller and the pod pinner all write nominations.
 */
export const nominationBody = (
  { metadata: { uid, resourceVersion } }: Pod,
  nominatedNodeName: string | null,
): object => ({
  metadata: { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) },
  status: { nominatedNodeName },
});

/** Writes a pod's nomination, or with null takes it off. */
export const writeNomination = async (
  { client, signal }: { readonly client: Pick<KubeClient, 'patch'>; readonly signal: AbortSignal },
  pod: Pod,
  nominatedNodeName: string | null,
): Promise<void> => {
  const { name, namespace = 'default' } = pod.metadata;
  const body = nominationBody(pod, nominatedNodeName);
  await client.patch(PODS, { name, namespace }, body, { subresource: 'status', signal });
};
