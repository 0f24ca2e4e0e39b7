import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import { heldPodsOf, isPinFor, type State } from './state.ts';

/** One pin intent of an owner, with the number of its pods that are on the node, held for it or assumed. */
export interface Slot {
  readonly intent: Intent;
  readonly used: number;
  readonly count: number;
  /** Slots kept for pods that still run where the plan takes them away; one opens as its pod is evicted. */
  readonly closed: number;
  /** Slots for pods that are created now. */
  readonly free: number;
}

/** The part of the state that slots are counted from. */
export type SlotState = Pick<State, 'store' | 'pods' | 'assumedPods' | 'schedulers'>;

const namesOf = ({ pin }: Intent): readonly string[] => pin?.owner?.names ?? [];

/** Whether a slot is for this pod: one of its owner, and for a StatefulSet of these names. */
export const isSlotFor = (intent: Intent, pod: Pod): boolean => {
  const names = namesOf(intent);
  return isPinFor(intent, pod) && (names.length === 0 || names.includes(pod.metadata.name));
};

/** Number of the pods that the intent replaces and that are on their old nodes. */
const countRemaining = (state: SlotState, intent: Intent): number =>
  (intent.pin?.owner?.replaces ?? []).filter((name) => {
    const pod = state.pods.get(`${intent.pin?.namespace}/${name}`);
    if (!pod?.spec.nodeName || pod.spec.nodeName === intent.nodeName) return false;
    return isLive(pod) && isPinFor(intent, pod);
  }).length;

/**
 * An owner's slots, sorted by intent id. They are counted from the cluster and the assumed pods, so a new leader finds
 * the same.
 */
export const slotsOf = (state: SlotState, ownerUid: string): readonly Slot[] => {
  const heldByIntent = state.store.by('owner', ownerUid).map(({ intent }) => ({
    intent,
    pods: heldPodsOf(state, intent),
  }));
  if (heldByIntent.length === 0) return [];
  const onNode = new Map<string, Pod[]>();
  const place = (nodeName: string, pod: Pod): void => {
    const pods = onNode.get(nodeName);
    if (pods) pods.push(pod);
    else onNode.set(nodeName, [pod]);
  };
  const counted = new Set(heldByIntent.flatMap(({ pods }) => pods.map(({ metadata }) => metadata.uid)));
  for (const pod of state.pods.by('owner', ownerUid)) {
    if (!pod.spec.nodeName || !isLive(pod)) continue;
    place(pod.spec.nodeName, pod);
    counted.add(pod.metadata.uid);
  }
  const assumed = state.assumedPods.ofOwner(ownerUid).filter(({ uid }) => !counted.has(uid));
  for (const { nodeName, pod } of assumed) place(nodeName, pod);
  // Pods that were assumed before the node had a name.
  const unnamed = assumed.filter(({ nodeName }) => nodeName === '');
  return heldByIntent
    .map(({ intent, pods }): Slot => {
      const there = intent.nodeName === '' ? [] : (onNode.get(intent.nodeName) ?? []);
      const used =
        pods.length +
        there.filter((pod) => isSlotFor(intent, pod)).length +
        unnamed.filter(({ intentId }) => intentId === intent.id).length;
      // Where names tell the slots apart, the owner's other pods on the node take none of them.
      const count = namesOf(intent).length || (intent.pin?.owner?.count ?? 0);
      const closed = used < count ? countRemaining(state, intent) : 0;
      return { intent, used, count, closed, free: Math.max(0, count - used - closed) };
    })
    .sort((a, b) => (a.intent.id < b.intent.id ? -1 : 1));
};
