import { OPEN_TO_DAEMONSETS, PREPARING_TAINT } from './labels.ts';
import { hasJoined } from './nodes.ts';
import type { Node, Pod, Toleration } from './objects.ts';

/** The reservation of added nodes as all components see it: the taint, or a cordon of ours in its place. */

/** What a pod tolerates so that kube-scheduler and Karpenter count a node that is reserved for its plan as room for it. */
const RESERVATION_TOLERATIONS: readonly Toleration[] = [
  { key: PREPARING_TAINT, operator: 'Exists', effect: 'NoSchedule' },
];

/** The tolerations of a reservation that a pod lacks; empty when it lacks none. */
export const missingReservationTolerations = (pod: Pick<Pod, 'spec'>): readonly Toleration[] =>
  RESERVATION_TOLERATIONS.filter(({ key }) => !pod.spec.tolerations?.some((own) => own.key === key));

/** True for a node that is reserved for a plan's pods by a cordon, so that DaemonSets can start theirs there first. */
export const isOpenToDaemonSets = ({ metadata, spec }: Node): boolean =>
  spec?.unschedulable === true && metadata.annotations?.[OPEN_TO_DAEMONSETS] !== undefined;

/** True for a node that carries the taint which reserves it for a plan's pods. */
export const hasReservationTaint = (node: Node | undefined): boolean =>
  node?.spec?.taints?.some(({ key }) => key === PREPARING_TAINT) ?? false;

/** True for a node that is reserved for a plan's pods, by the taint or by a cordon. */
export const isReserved = (node: Node): boolean => hasReservationTaint(node) || isOpenToDaemonSets(node);

/** True for a node that kube-scheduler puts pods on, too: its machine has joined, and no plan has it to itself. */
export const isOpen = (node: Node): boolean => hasJoined(node) && !isReserved(node);
