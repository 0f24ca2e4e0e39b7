import { isHeld, narrowedTo, otherGates } from '../../api/heldpods.ts';
import { PIN, PIN_HELD, PIN_NODE } from '../../api/labels.ts';
import type { Pod, Toleration } from '../../api/objects.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';

const refOf = ({ metadata }: Pod) => ({ name: metadata.name, namespace: metadata.namespace ?? 'default' });

// A merge patch replaces the whole list of gates, so it must fail if the pod has changed since it was read.
const preconditions = ({ metadata }: Pod) => ({
  uid: metadata.uid,
  resourceVersion: metadata.resourceVersion,
});

const withoutOurGate = (pod: Pod) => {
  const gates = otherGates(pod);
  return { schedulingGates: gates.length > 0 ? gates : null };
};

const addedTolerations = (pod: Pod, tolerations: readonly Toleration[]) =>
  tolerations.length > 0 ? { tolerations: [...(pod.spec.tolerations ?? []), ...tolerations] } : {};

/** Removes our gate and the pin, so that kube-scheduler decides alone. Throws a conflict when the pod has changed. */
export const removeGate = async (
  client: KubeClient,
  pod: Pod,
  o: { readonly tolerations?: readonly Toleration[]; readonly signal: AbortSignal },
): Promise<void> => {
  const metadata = {
    ...preconditions(pod),
    labels: { [PIN_HELD]: null },
    annotations: { [PIN]: null, [PIN_NODE]: null },
  };
  const spec = { ...withoutOurGate(pod), ...addedTolerations(pod, o.tolerations ?? []) };
  await client.patch(PODS, refOf(pod), { metadata, spec }, { signal: o.signal });
};

/** Removes our gate and ties the pod to a node in the same write. Throws a conflict when the pod has changed. */
export const landPod = async (
  client: KubeClient,
  pod: Pod,
  o: { readonly nodeName: string; readonly tolerations: readonly Toleration[]; readonly signal: AbortSignal },
): Promise<Pod> => {
  const required = narrowedTo(pod, o.nodeName);
  const spec = {
    ...withoutOurGate(pod),
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } },
    ...addedTolerations(pod, o.tolerations),
  };
  const metadata = { ...preconditions(pod), annotations: { [PIN_NODE]: o.nodeName } };
  return client.patch<Pod>(PODS, refOf(pod), { metadata, spec }, { signal: o.signal });
};

/** Records on a held pod which node it waits for. */
export const nameNode = async (
  client: KubeClient,
  pod: Pod,
  nodeName: string,
  signal: AbortSignal,
): Promise<void> => {
  const metadata = { uid: pod.metadata.uid, annotations: { [PIN_NODE]: nodeName } };
  await client.patch(PODS, refOf(pod), { metadata }, { signal });
};

/** Deletes a pod that never ran and is tied to a node that rejects it; its controller makes another. */
export const replacePod = async (client: KubeClient, pod: Pod, signal: AbortSignal): Promise<void> => {
  const { uid, resourceVersion } = pod.metadata;
  if (!isHeld(pod) || !uid || !resourceVersion) return;
  await client.delete(PODS, refOf(pod), { uid, resourceVersion, gracePeriodSeconds: 0, signal });
};
