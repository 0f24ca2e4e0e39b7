import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { PODS, pathOf } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import { ownerUidOf, type State } from '../placement/state.ts';

/** How long a bound pod stays assumed when the pod cache does not show it. */
const ASSUME_MS = 30_000;

/** Counts pins for metrics; `lost` means that someone else placed or deleted the pod first. */
export type ObservePin = (way: string, outcome: 'done' | 'lost') => void;

/**
 * Posts pods/binding with the UID as precondition, and annotates the pod with its intent in the same write; a pod that
 * is on that node already counts as bound. Throws a conflict when it is on another node or was replaced.
 */
const createBinding = async (
  client: KubeClient,
  pod: Pod,
  intent: Intent,
  signal: AbortSignal,
): Promise<void> => {
  const { name, namespace = 'default', uid } = pod.metadata;
  try {
    await client.request('POST', pathOf(PODS, { name, namespace, subresource: 'binding' }), {
      signal,
      body: {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, ...(uid && { uid }), annotations: { [PIN]: intent.id } },
        target: { apiVersion: 'v1', kind: 'Node', name: intent.nodeName },
      },
    });
  } catch (error) {
    if (!isConflict(error)) throw error;
    const current = await client.get(PODS, { name, namespace }, { signal });
    if (current.metadata.uid !== uid || current.spec.nodeName !== intent.nodeName) throw error;
  }
};

/** Binds a pod to the node of its intent; it stays assumed until the pod cache shows it there. */
export const bindPod = async (
  context: {
    readonly client: KubeClient;
    readonly state: Pick<State, 'assumedPods' | 'now'>;
    readonly log: Logger;
    readonly observe: ObservePin;
  },
  intent: Intent,
  pod: Pod,
  { way, reason }: { readonly way: 'bind' | 'hold'; readonly reason: string },
  signal: AbortSignal,
): Promise<'bound' | 'lost'> => {
  const { assumedPods, now } = context.state;
  const { name, namespace = 'default', uid = '' } = pod.metadata;
  const { id: intentId, nodeName, plan } = intent;
  const ownerUid = ownerUidOf(pod);
  assumedPods.assume({ uid, nodeName, intentId, ownerUid, pod, isGrant: false, until: now() + ASSUME_MS });
  try {
    await createBinding(context.client, pod, intent, signal);
  } catch (error) {
    assumedPods.forget(uid);
    if (!isConflict(error) && !isNotFound(error)) throw error;
    context.observe(way, 'lost');
    return 'lost';
  }
  context.observe(way, 'done');
  context.log.info({ name, namespace, node: nodeName, plan, way, reason }, 'pod pinned');
  return 'bound';
};
