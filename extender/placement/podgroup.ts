import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import type { Pin } from '../../planner/pinning/pinpolicy.ts';
import { slotsOf } from './slotcount.ts';
import { ownerUidOf, type State } from './state.ts';

/** Chooses for one pod as if it were of no group. */
export type Choose = (intent: Intent, pod: Pod) => Pin;

const canGo = (choose: Choose, intents: readonly Intent[], pod: Pod): boolean =>
  intents.some((intent) => choose(intent, pod).way !== 'leave');

const placesFor = (state: State, pod: Pod): readonly Intent[] =>
  state.store.by('pod', pod.metadata.uid ?? '').map(({ intent }) => intent);

/** How many of these pods of one owner the plan has a place for. */
const placed = (state: State, choose: Choose, ownerUid: string, pods: readonly Pod[]): number => {
  const free = slotsOf(state, ownerUid).filter(({ used, count }) => used < count);
  const room = free.reduce((sum, { used, count }) => sum + count - used, 0);
  const intents = free.map(({ intent }) => intent);
  return Math.min(room, pods.filter((pod) => canGo(choose, intents, pod)).length);
};

/**
 * Why a pod of a PodGroup (spec.schedulingGroup, Kubernetes 1.36) is not pinned, or null: its group is placed as a
 * whole or not at all, so each of its pods that waits needs a place. kube-scheduler alone lets a group start; we only
 * say where.
 */
export const brokenGroup = (state: State, pod: Pod, choose: Choose): string | null => {
  const name = pod.spec.schedulingGroup?.podGroupName;
  if (!name) return null;
  const waiting = state.pods
    .by('group', `${pod.metadata.namespace}/${name}`)
    .filter((one) => isLive(one) && !one.spec.nodeName);
  const isNamed = (one: Pod): boolean => placesFor(state, one).length > 0;
  const own = waiting.filter(isNamed);
  const rest = waiting.filter((one) => !isNamed(one));
  const byOwner = Map.groupBy(rest, ownerUidOf);
  const count =
    own.filter((one) => canGo(choose, placesFor(state, one), one)).length +
    [...byOwner].reduce((sum, [owner, pods]) => sum + placed(state, choose, owner, pods), 0);
  return count >= waiting.length
    ? null
    : `its group ${name} is placed as a whole or not at all, and ${count} of its ${waiting.length} waiting pods have a place`;
};
