import type { Pod } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import type { CycleMemory, CycleOptions } from './cycleoptions.ts';
import { isOfUnscheduledPods } from './decide.ts';
import { holdPods } from './holds.ts';
import { coveredByPlans, isHeldInFull, keepsNomination, mayNeedNode } from './pods.ts';

/** Whether a pod is to stay nominated: a plan is about to be made for it, or has a node for it that it does not have yet. */
const isToStay = (o: CycleOptions, { pods, stored }: CycleMemory, pod: Pod): boolean => {
  const known = pods.watched.get(pod.metadata.uid ?? '');
  if (known?.heldAt !== undefined) return true;
  const plans = stored.withStored(o.caches.plans.list(), o.clock.now()).filter(isOfUnscheduledPods);
  return coveredByPlans(plans, (name) => o.caches.pods.get(name))(pod);
};

/**
 * Nominates pods again at once when kube-scheduler has taken their nomination off or the API server has kept it, whatever a
 * cycle is at. A write that comes too late conflicts, and the change that it missed comes here, too. Returns what ends it.
 */
export const keepHolds = (o: CycleOptions, memory: CycleMemory, isOn: () => boolean): (() => void) =>
  o.caches.pods.onChange((change) => {
    if (change.type !== 'update' || !isOn()) return;
    const { object: pod } = change;
    if (isHeldInFull(pod) || !mayNeedNode(pod, o.schedulers) || keepsNomination(pod)) return;
    if (!isToStay(o, memory, pod)) return;
    holdPods(o, [pod]).catch((error: unknown) => {
      if (!o.signal.aborted) o.log.warn({ err: error, pod: podName(pod) }, 'pod was not nominated again');
    });
  });
