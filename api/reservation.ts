import { PREPARING_TAINT } from './labels.ts';
import type { Pod, Toleration } from './objects.ts';

/** What a pod tolerates so that kube-scheduler and Karpenter count a node that is reserved for its plan as room for it. */
const RESERVATION_TOLERATIONS: readonly Toleration[] = [
  { key: PREPARING_TAINT, operator: 'Exists', effect: 'NoSchedule' },
];

/** The tolerations of a reservation that a pod lacks; empty when it lacks none. */
export const missingReservationTolerations = (pod: Pick<Pod, 'spec'>): readonly Toleration[] =>
  RESERVATION_TOLERATIONS.filter(({ key }) => !pod.spec.tolerations?.some((own) => own.key === key));
