import { POD_TEMPLATE_HASH, SURGED } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { hasNeverStarted } from '../../../api/pods.ts';
import { PODS } from '../../../api/resources.ts';
import { isConflict, isNotFound, isRetryable } from '../../../kube/errors.ts';
import { ignoreNotFoundOrConflict } from '../../../kube/ignore.ts';
import { areEvictionsPaused } from '../reservation.ts';
import type { ExecutionState } from '../state/state.ts';
import type { SurgeRecord } from '../state/surgerecord.ts';
import { evictablePod, isForsaken, strandedPod } from './lastlook.ts';
import { deleteIfThere, SKIPPED, type StepOf, type Writer, writeIfThere } from './writer.ts';

/** Writes to pods: eviction, deletion and surge. */

/**
 * Evicts a pod as it is now. The pinner is checked again: it may have left while earlier evictions took their time.
 */
export const evictPod = async (
  w: Writer,
  state: Parameters<typeof areEvictionsPaused>[0] & Pick<ExecutionState, 'plan' | 'rules'>,
  step: StepOf<'evict'>,
): Promise<typeof SKIPPED | undefined> => {
  const isPaused = (): boolean => areEvictionsPaused({ ...state, pins: w.pins() });
  if (isPaused()) return SKIPPED;
  const pod = await evictablePod(w, state, step);
  // The look takes its time on a busy API server, and the pinner may have left meanwhile.
  if (!pod || isPaused()) return SKIPPED;
  const { name, namespace, uid } = step;
  const { resourceVersion = '' } = pod.metadata;
  try {
    await w.client.evict({ name, namespace, uid, resourceVersion }, { signal: w.signal });
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return SKIPPED;
    if (!isRetryable(error)) throw error;
    w.onEvictionRefused(step.uid, error.retryAfterMs);
  }
  return undefined;
};

/** Adds tolerations to a pod that waits for a node; one that changed meanwhile is left to the next pass. */
export const toleratePod = async (w: Writer, step: StepOf<'tolerate'>): Promise<void> => {
  const { name, namespace, uid, resourceVersion, tolerations } = step;
  const body = { metadata: { uid, resourceVersion }, spec: { tolerations } };
  await w.client.patch(PODS, { name, namespace }, body, { signal: w.signal }).catch(ignoreNotFoundOrConflict);
};

/** Deletes a pod that eviction did not remove in time, as it is now, with its grace period. */
export const deletePod = async (
  w: Writer,
  state: Pick<ExecutionState, 'plan' | 'rules'>,
  step: StepOf<'delete-pod'>,
): Promise<typeof SKIPPED | undefined> => {
  const pod = await evictablePod(w, state, step);
  if (!pod) return SKIPPED;
  const { name, namespace, uid } = step;
  const { resourceVersion = '' } = pod.metadata;
  const options = { uid, resourceVersion, signal: w.signal };
  await deleteIfThere(w.client.delete(PODS, { name, namespace }, options));
  return undefined;
};

/** Deletes a detached pod whose ReplicaSet is gone: it would have gone with it. */
export const deleteForsakenPod = async (
  w: Pick<Writer, 'client' | 'signal'>,
  step: StepOf<'delete-pod'>,
  replicaSet: SurgeRecord['replicaSet'],
): Promise<typeof SKIPPED | undefined> => {
  if (!(await isForsaken(w, step, replicaSet))) return SKIPPED;
  const { name, namespace, uid } = step;
  await deleteIfThere(w.client.delete(PODS, { name, namespace }, { uid, signal: w.signal }));
  return undefined;
};

/** Deletes a pod that no kubelet runs, without a grace period if none ever did. */
export const removePod = async (
  w: Pick<Writer, 'client' | 'signal'>,
  step: StepOf<'remove-pod'>,
): Promise<typeof SKIPPED | undefined> => {
  const pod = await strandedPod(w, step);
  if (!pod) return SKIPPED;
  const { name, namespace, uid } = step;
  const options = { uid, ...(hasNeverStarted(pod) && { gracePeriodSeconds: 0 }), signal: w.signal };
  await deleteIfThere(w.client.delete(PODS, { name, namespace }, options));
  return undefined;
};

const patchPod = (
  w: Pick<Writer, 'client' | 'signal'>,
  step: StepOf<'surge' | 'reattach'>,
  metadata: object,
): Promise<void> => {
  const { name, namespace, uid, resourceVersion } = step;
  const body = { metadata: { uid, resourceVersion, ...metadata } };
  return writeIfThere(w.client.patch(PODS, { name, namespace }, body, { signal: w.signal }));
};

/** Detaches a pod from its ReplicaSet: without the label it is not counted, without a controller it is not deleted. */
export const detachPod = (w: Writer, step: StepOf<'surge'>): Promise<void> =>
  patchPod(w, step, {
    labels: { [POD_TEMPLATE_HASH]: null },
    annotations: { [SURGED]: JSON.stringify(step.record) },
    ownerReferences: [step.owner],
  });

/** Takes the record of a surge off a pod, which stays without a controller. */
export const forgetSurge = (
  { client, signal }: Pick<Writer, 'client' | 'signal'>,
  { metadata }: Pod,
): Promise<void> => {
  const { name, namespace, uid, resourceVersion } = metadata;
  const body = { metadata: { uid, resourceVersion, annotations: { [SURGED]: null } } };
  const ref = { name, ...(namespace !== undefined && { namespace }) };
  return writeIfThere(client.patch(PODS, ref, body, { signal }));
};

/** Reattaches a pod: with its label and without an owner it is an orphan, which its ReplicaSet adopts. */
export const reattachPod = (w: Pick<Writer, 'client' | 'signal'>, step: StepOf<'reattach'>): Promise<void> =>
  patchPod(w, step, {
    labels: { [POD_TEMPLATE_HASH]: step.hash },
    annotations: { [SURGED]: null },
    ownerReferences: null,
  });
