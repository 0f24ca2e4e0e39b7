import { destinationsByPod } from '../../../api/plans.ts';
import { podName } from '../../../api/pods.ts';
import { reservationOf } from '../../../api/reservation.ts';
import { missingToleration } from '../../../planner/pinning/reservationtoleration.ts';
import type { ExecutionState } from '../state/state.ts';
import { hasOrdered } from '../state/status.ts';
import type { Step } from '../state/step.ts';

/** Time after which a plan orders its nodes although a pod could not be given its toleration. */
const TOLERATION_WAIT_MS = 10_000;

/**
 * Tolerations for pods that wait for the plan's nodes, each for its own, before the first is ordered: Karpenter then
 * counts that node as their room and buys none, also in the moments in which kube-scheduler has cleared their nomination.
 */
export const tolerationSteps = ({
  plan,
  pendingPods,
  now,
}: Pick<ExecutionState, 'plan' | 'pendingPods' | 'now'>): readonly Step[] => {
  const startedAt = Date.parse(plan.status?.startTime ?? '');
  if (!plan.spec.nodeClaimsToAdd?.length || hasOrdered(plan)) return [];
  if (now - startedAt > TOLERATION_WAIT_MS) return [];
  const added = new Set(plan.spec.nodeClaimsToAdd.map(({ metadata }) => metadata.name));
  const placeOf = destinationsByPod(plan.spec);
  return pendingPods.flatMap((pod): Step[] => {
    const place = placeOf.get(podName(pod));
    if (place === undefined || !added.has(place)) return [];
    const missing = missingToleration(reservationOf(place), pod);
    if (missing.length === 0) return [];
    const { name, namespace = '', uid = '', resourceVersion = '' } = pod.metadata;
    return [
      {
        kind: 'tolerate',
        name,
        namespace,
        uid,
        resourceVersion,
        tolerations: [...(pod.spec.tolerations ?? []), ...missing],
        reason: 'PodTolerates',
        message: `Pod ${podName(pod)} may run on the nodes that the plan orders for it`,
      },
    ];
  });
};
