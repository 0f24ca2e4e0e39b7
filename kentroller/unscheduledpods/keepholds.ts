import type { Pod } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import type { CycleMemory, CycleOptions } from './cycleoptions.ts';
import { isOfUnscheduledPods } from './decide.ts';
import { holdPods } from './holds.ts';
import { isOpen, mayNeedNode } from './pods.ts';

/** Whether a pod is to stay nominated: a plan is about to be made for it, or has a node for it that it does not have yet. */
const isToStay = (o: CycleOptions, { pods, stored }: CycleMemory, pod: Pod): boolean => {
  const known = pods.watched.get(pod.metadata.uid ?? '');
  if (known?.heldAt !== undefined) return true;
  const name = podName(pod);
  return stored
    .withStored(o.caches.plans.list(), o.clock.now())
    .some(
      (plan) =>
        isOfUnscheduledPods(plan) &&
        isOpen(plan) &&
        plan.spec.podsToMigrate?.some((each) => `${each.namespace}/${each.name}` === name),
    );
};

/**
 * Nominates pods again at once when kube-scheduler has taken their nomination off, whatever a cycle is at: Karpenter may be
 * about to look. Returns what ends it.
 */
export const keepHolds = (o: CycleOptions, memory: CycleMemory, isOn: () => boolean): (() => void) =>
  o.caches.pods.onChange((change) => {
    if (change.type !== 'update' || !isOn()) return;
    const { object: pod, old } = change;
    const wasTakenOff = Boolean(old.status?.nominatedNodeName) && !pod.status?.nominatedNodeName;
    if (!wasTakenOff || !mayNeedNode(pod, o.schedulers) || !isToStay(o, memory, pod)) return;
    holdPods(o, [pod]).catch((error: unknown) => {
      if (!o.signal.aborted) o.log.warn({ err: error, pod: podName(pod) }, 'pod was not nominated again');
    });
  });
