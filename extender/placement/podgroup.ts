import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import type { Pin } from '../../planner/pinning/pinpolicy.ts';
import { type SlotState, slotsOf } from './slotcount.ts';
import { ownerUidOf, type State } from './state.ts';

/** Chooses a pin for one pod, ignoring its group. */
export type ChoosePin = (intent: Intent, pod: Pod) => Pin;

const canPin = (choose: ChoosePin, intents: readonly Intent[], pod: Pod): boolean =>
  intents.some((intent) => choose(intent, pod).way !== 'leave');

const intentsOfPod = (state: Pick<State, 'store'>, pod: Pod): readonly Intent[] =>
  state.store.by('pod', pod.metadata.uid ?? '').map(({ intent }) => intent);

/** How many of these pods, all of one owner, have a place in a plan. */
const countPinnable = (
  state: SlotState,
  choose: ChoosePin,
  ownerUid: string,
  pods: readonly Pod[],
): number => {
  const open = slotsOf(state, ownerUid).filter(({ free }) => free > 0);
  const room = open.reduce((sum, { free }) => sum + free, 0);
  const intents = open.map(({ intent }) => intent);
  return Math.min(room, pods.filter((pod) => canPin(choose, intents, pod)).length);
};

/**
 * Why a pod's PodGroup (spec.schedulingGroup, Kubernetes 1.36) can't be pinned as a whole: some waiting pod of it has
 * no place. undefined when all have one, or the pod has no group.
 */
export const incompleteGroupReason = (state: SlotState, pod: Pod, choose: ChoosePin): string | undefined => {
  const name = pod.spec.schedulingGroup?.podGroupName;
  if (!name) return undefined;
  const waiting = state.pods
    .by('group', `${pod.metadata.namespace}/${name}`)
    .filter((member) => isLive(member) && !member.spec.nodeName);
  const isNamed = (member: Pod): boolean => intentsOfPod(state, member).length > 0;
  const named = waiting.filter(isNamed);
  const unnamed = waiting.filter((member) => !isNamed(member));
  const byOwner = Map.groupBy(unnamed, ownerUidOf);
  const count =
    named.filter((member) => canPin(choose, intentsOfPod(state, member), member)).length +
    [...byOwner].reduce((sum, [owner, pods]) => sum + countPinnable(state, choose, owner, pods), 0);
  return count >= waiting.length
    ? undefined
    : `its pod group ${name} is pinned as a whole, and only ${count} of its ${waiting.length} waiting pods have a place`;
};
