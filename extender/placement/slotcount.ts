import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import { heldPodsOf, type State } from './state.ts';

/** One pin intent of an owner, and how many of its pods are on the node, held for it or on their way there. */
export interface Slot {
  readonly intent: Intent;
  readonly used: number;
  readonly count: number;
}

/**
 * The slots of an owner, in a fixed order. Counted from the cluster and the promises that it does not show yet, so
 * that any leader finds the same.
 */
export const slotsOf = (state: State, ownerUid: string): readonly Slot[] => {
  const held = state.store.by('owner', ownerUid).map(({ intent }) => ({
    intent,
    pods: heldPodsOf(state, intent),
  }));
  if (held.length === 0) return [];
  const onNode = new Map<string, number>();
  const count = (nodeName: string): void => void onNode.set(nodeName, (onNode.get(nodeName) ?? 0) + 1);
  const seen = new Set(held.flatMap(({ pods }) => pods.map(({ metadata }) => metadata.uid)));
  for (const pod of state.pods.by('owner', ownerUid)) {
    if (!pod.spec.nodeName || !isLive(pod)) continue;
    count(pod.spec.nodeName);
    seen.add(pod.metadata.uid);
  }
  const assumed = state.assumedPods.ofOwner(ownerUid).filter(({ uid }) => !seen.has(uid));
  for (const { nodeName } of assumed) count(nodeName);
  // Promised before the node had a name.
  const early = assumed.filter(({ nodeName }) => nodeName === '');
  return held
    .map(({ intent, pods }) => ({
      intent,
      used:
        pods.length +
        (intent.nodeName === '' ? 0 : (onNode.get(intent.nodeName) ?? 0)) +
        early.filter(({ intentId }) => intentId === intent.id).length,
      count: intent.pin?.owner?.count ?? 0,
    }))
    .sort((a, b) => (a.intent.id < b.intent.id ? -1 : 1));
};
