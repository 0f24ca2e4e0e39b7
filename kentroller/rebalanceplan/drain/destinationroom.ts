import { withoutHold } from '../../../api/heldpods.ts';
import { EVICTION_IN_PROGRESS, REQUEST_EVICT_ONLY } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { isEvictable, isTerminating, podName } from '../../../api/pods.ts';
import { fits, memoizeRequests, type NodeInfo, nodeInfoOf } from '../../../planner/scheduling/fit.ts';
import { deductRequests } from '../../../planner/scheduling/nodeinfo.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf } from '../state/status.ts';
import { detachmentOf } from '../state/surgerecord.ts';
import { pendingPodsOnKeptNodes } from './podsonkeptnodes.ts';

/** Whether a node that stays has room for pods now. See docs/designs/0021-judged-again.md. */

export type RoomState = Pick<ExecutionState, 'plan' | 'pods' | 'podsOnKeptNodes' | 'now' | 'limits'>;

/** Each pod object of the caches is read once, however often its node is asked. */
const requestsOf = memoizeRequests();

/** True for a pod that whoever answered its eviction request is moving: it is not asked for again. */
export const isBeingMoved = ({ metadata: { annotations } }: Pod): boolean =>
  annotations?.[REQUEST_EVICT_ONLY] !== undefined && annotations[EVICTION_IN_PROGRESS] !== undefined;

/** Whether a live migration of a node's pods is open: what it makes elsewhere is there beside them. */
const isMigrating = (plan: ExecutionState['plan'], claim: string): boolean => {
  const events = deletionEventsOf(plan, claim);
  return (
    events.some(({ status }) => status === 'LiveMigrationCreated') &&
    !events.some(({ status }) => status === 'LiveMigrationSucceeded' || status === 'LiveMigrationFailed')
  );
};

/** Whether a pod may have its successor already, which has the room that was meant for it. */
const isOnItsWay = (plan: ExecutionState['plan'], pod: Pod): boolean =>
  !isEvictable(pod) || isBeingMoved(pod) || detachmentOf(plan, pod) !== undefined;

/** The pods of a node that are there when others come: none that ends, nor one that the plan still moves off. */
const stayingOn = (
  { node, pods }: { readonly node: Node; readonly pods: readonly Pod[] },
  state: RoomState,
  mayGo: (pod: Pod) => boolean,
): readonly Pod[] => {
  const leaving = new Set(
    pendingPodsOnKeptNodes(state)
      .filter((pod) => pod.spec.nodeName === node.metadata.name && mayGo(pod))
      .map(podName),
  );
  return pods.filter((pod) => !isTerminating(pod) && !leaving.has(podName(pod)));
};

/** The pod as its controller makes it anew: on no node yet, nor tied to one by a hold of ours. */
const asMadeAnew = (pod: Pod): Pod => {
  const { nodeName: _, ...spec } = withoutHold(pod).spec;
  return { ...pod, spec };
};

const withPod = (node: NodeInfo, pod: Pod): NodeInfo => {
  const free = new Map(node.free);
  deductRequests(free, requestsOf(pod));
  return { ...node, free, pods: [...node.pods, pod] };
};

/**
 * Why a node that stays can't hold pods that are still to come, beside those that are there now, in words; undefined
 * when it can. Taints and cordons are not looked at. `from` is the NodeClaim of the pods when its node is to go.
 */
export const roomRefusal = (
  state: RoomState,
  to: { readonly node: Node; readonly destination: string },
  coming: readonly Pod[],
  { from, mayGo }: { readonly from?: string; readonly mayGo: (pod: Pod) => boolean },
): string | undefined => {
  const { plan } = state;
  if (from !== undefined && isMigrating(plan, from)) return undefined;
  const toCome = coming.filter((pod) => !isOnItsWay(plan, pod));
  if (toCome.length === 0) return undefined;
  const there = stayingOn({ node: to.node, pods: state.pods.get(to.destination) ?? [] }, state, mayGo);
  let info: NodeInfo = { ...nodeInfoOf(to.node, there, requestsOf), taints: [], unschedulable: false };
  for (const pod of toCome) {
    const refusal = fits(asMadeAnew(pod), info);
    if (refusal) return `can't hold pod ${podName(pod)} now: ${refusal.message}`;
    info = withPod(info, pod);
  }
  return undefined;
};
