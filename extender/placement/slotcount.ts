import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import { heldPodsOf, type State } from './state.ts';

/** One pin intent of an owner, with the number of its pods that are on the node, held for it or assumed. */
export interface Slot {
  readonly intent: Intent;
  readonly used: number;
  readonly count: number;
}

/** The part of the state that slots are counted from. */
export type SlotState = Pick<State, 'store' | 'pods' | 'assumedPods'>;

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
  const onNode = new Map<string, number>();
  const count = (nodeName: string): void => void onNode.set(nodeName, (onNode.get(nodeName) ?? 0) + 1);
  const counted = new Set(heldByIntent.flatMap(({ pods }) => pods.map(({ metadata }) => metadata.uid)));
  for (const pod of state.pods.by('owner', ownerUid)) {
    if (!pod.spec.nodeName || !isLive(pod)) continue;
    count(pod.spec.nodeName);
    counted.add(pod.metadata.uid);
  }
  const assumed = state.assumedPods.ofOwner(ownerUid).filter(({ uid }) => !counted.has(uid));
  for (const { nodeName } of assumed) count(nodeName);
  // Pods that were assumed before the node had a name.
  const unnamed = assumed.filter(({ nodeName }) => nodeName === '');
  return heldByIntent
    .map(({ intent, pods }) => ({
      intent,
      used:
        pods.length +
        (intent.nodeName === '' ? 0 : (onNode.get(intent.nodeName) ?? 0)) +
        unnamed.filter(({ intentId }) => intentId === intent.id).length,
      count: intent.pin?.owner?.count ?? 0,
    }))
    .sort((a, b) => (a.intent.id < b.intent.id ? -1 : 1));
};
