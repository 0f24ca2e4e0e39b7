import { POD_TEMPLATE_HASH, SURGED } from '../../../api/labels.ts';
import { PODS } from '../../../api/resources.ts';
import { isRetryable } from '../../../kube/errors.ts';
import { ignoreNotFoundOrConflict } from '../../../kube/ignore.ts';
import { areEvictionsPaused } from '../reservation.ts';
import type { ExecutionState } from '../state/state.ts';
import { deleteIfThere, SKIPPED, type StepOf, type Writer, writeIfThere } from './writer.ts';

/** Writes to pods: eviction, deletion and surge. */

/** Evicts a pod. The pinner is checked again: it may have left while earlier evictions took their time. */
export const evictPod = async (
  w: Writer,
  state: Parameters<typeof areEvictionsPaused>[0] & Pick<ExecutionState, 'plan'>,
  step: StepOf<'evict'>,
): Promise<typeof SKIPPED | undefined> => {
  if (areEvictionsPaused({ ...state, pins: w.pins() })) return SKIPPED;
  try {
    await deleteIfThere(w.client.evict(step, { signal: w.signal }));
  } catch (error) {
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

/** Deletes a pod; `remove-pod` without a grace period, since no kubelet runs it. */
export const deletePod = (w: Writer, step: StepOf<'delete-pod' | 'remove-pod'>): Promise<void> => {
  const { name, namespace, uid } = step;
  const options = { uid, signal: w.signal, ...(step.kind === 'remove-pod' && { gracePeriodSeconds: 0 }) };
  return deleteIfThere(w.client.delete(PODS, { name, namespace }, options));
};

const patchPod = (w: Writer, step: StepOf<'surge' | 'reattach'>, metadata: object): Promise<void> => {
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

/** Reattaches a pod: with its label and without an owner it is an orphan, which its ReplicaSet adopts. */
export const reattachPod = (w: Writer, step: StepOf<'reattach'>): Promise<void> =>
  patchPod(w, step, {
    labels: { [POD_TEMPLATE_HASH]: step.hash },
    annotations: { [SURGED]: null },
    ownerReferences: null,
  });
