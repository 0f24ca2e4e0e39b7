import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { PODS, pathOf } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isConflict } from '../../kube/errors.ts';

/**
 * Binds a pod through pods/binding, the UID as precondition, and marks it with its intent in the same write. A pod
 * that is on that node already counts as bound. Throws a conflict when it is elsewhere, gone or replaced.
 */
export const bindPod = async (
  client: KubeClient,
  pod: Pod,
  nodeName: string,
  intentId: string,
  signal: AbortSignal,
): Promise<void> => {
  const { name, namespace = 'default', uid } = pod.metadata;
  try {
    await client.request('POST', pathOf(PODS, { name, namespace, subresource: 'binding' }), {
      signal,
      body: {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, ...(uid ? { uid } : {}), annotations: { [PIN]: intentId } },
        target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
      },
    });
  } catch (error) {
    if (!isConflict(error)) throw error;
    const found = await client.get(PODS, { name, namespace }, { signal });
    if (found.metadata.uid !== uid || found.spec.nodeName !== nodeName) throw error;
  }
};
