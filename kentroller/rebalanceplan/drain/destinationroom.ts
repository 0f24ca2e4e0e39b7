import { withoutHold } from '../../../api/heldpods.ts';
import { EVICTION_IN_PROGRESS, REQUEST_EVICT_ONLY } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { isEvictable, isTerminating, podName } from '../../../api/pods.ts';
import { fits, memoizeRequests, type NodeInfo, nodeInfoOf } from '../../../planner/scheduling/fit.ts';
import { deductRequests } from '../../../planner/scheduling/nodeinfo.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf } from '../state/status.ts';
import { detachmentOf } from '../state/surgerecord.ts';

/** Whether a node that stays has room for pods now. See docs/designs/0021-judged-again.md. */

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

/** The pods of a plan that still have to come; none while a live migration of their node, the one of NodeClaim `from`, is open. */
export const stillToCome = (
  plan: ExecutionState['plan'],
  coming: readonly Pod[],
  from: string | undefined,
): readonly Pod[] =>
  from !== undefined && isMigrating(plan, from) ? [] : coming.filter((pod) => !isOnItsWay(plan, pod));

/**
 * A node that stays with the pods that are there when others come: none that ends, nor one that leaves, by name. Taints and
 * cordons are left out.
 */
export const roomOn = (node: Node, pods: readonly Pod[], leaving: ReadonlySet<string>): NodeInfo => {
  const there = pods.filter((pod) => !isTerminating(pod) && !leaving.has(podName(pod)));
  return { ...nodeInfoOf(node, there, requestsOf), taints: [], unschedulable: false };
};

/** Why a node can't hold pods that come together, in words; undefined when it can. */
export const roomRefusal = (room: NodeInfo, toCome: readonly Pod[]): string | undefined => {
  let info = room;
  for (const pod of toCome) {
    const refusal = fits(asMadeAnew(pod), info);
    if (refusal) {
      const beside = pod === toCome[0] ? '' : ' beside those that come with it';
      return `can't hold pod ${podName(pod)} now${beside}: ${refusal.message}`;
    }
    info = withPod(info, pod);
  }
  return undefined;
};
