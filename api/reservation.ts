import { labelValueOf } from './identity/names.ts';
import { OPEN_TO_DAEMONSETS, PREPARING_TAINT } from './labels.ts';
import { hasJoined } from './nodes.ts';
import type { Node, Taint } from './objects.ts';

/** The reservation of added nodes as all components see it: the taint, or a cordon of ours in its place. */

const reservation = (value: string): Taint => ({ key: PREPARING_TAINT, value, effect: 'NoSchedule' });

/**
 * The taint that reserves the node of a planned NodeClaim, under the claim's name in the plan, which later attempts
 * share: a pod that waits for one machine of a plan must find no room on another, of this plan or the next.
 */
export const reservationOf = (plannedClaim: string): Taint => reservation(labelValueOf(plannedClaim));

/** True for a node that is reserved for a plan's pods by a cordon, so that DaemonSets can start theirs there first. */
export const isOpenToDaemonSets = ({ metadata, spec }: Node): boolean =>
  spec?.unschedulable === true && metadata.annotations?.[OPEN_TO_DAEMONSETS] !== undefined;

const reservationTaint = (node: Node | undefined): Taint | undefined =>
  node?.spec?.taints?.find(({ key }) => key === PREPARING_TAINT);

/** True for a node that carries the taint which reserves it for a plan's pods. */
export const hasReservationTaint = (node: Node | undefined): boolean => reservationTaint(node) !== undefined;

/** The taint that reserves a node, also while a cordon stands in its place; undefined for a node that is not reserved. */
export const reservationOn = (node: Node): Taint | undefined =>
  reservationTaint(node) ??
  (isOpenToDaemonSets(node) ? reservation(node.metadata.annotations?.[OPEN_TO_DAEMONSETS] ?? '') : undefined);

/** True for a node that is reserved for a plan's pods, by the taint or by a cordon. */
export const isReserved = (node: Node): boolean => reservationOn(node) !== undefined;

/** True for a node that kube-scheduler puts pods on, too: its machine has joined, and no plan has it to itself. */
export const isOpen = (node: Node): boolean => hasJoined(node) && !isReserved(node);
