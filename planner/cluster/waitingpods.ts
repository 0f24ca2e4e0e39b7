import { KARPENTER_DISRUPTED_TAINT } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import {
  foreignSchedulerOf,
  isBoundToNode,
  isReschedulable,
  isUnschedulable,
  podName,
} from '../../api/pods.ts';
import { claimedDevicesOfPending } from '../scheduling/resourceclaims.ts';
import { claimsForOnePod, isTaken, type Volumes } from '../scheduling/volumes.ts';
import type { StateNode } from './candidate.ts';
import type { Cluster } from './clusterview.ts';

/** A pod without a node that nothing is planned for, and why. */
export interface LeftPod {
  readonly pod: Pod;
  readonly reason: string;
}

/** The pods that need room beside those which have a node. */
export interface WaitingPods {
  /** Pods that kube-scheduler has found no node for. */
  readonly plannable: readonly Pod[];
  /** Pods that a node has been promised to, by its name: they have preempted others there, or are pinned. */
  readonly nominated: ReadonlyMap<string, readonly Pod[]>;
  readonly left: readonly LeftPod[];
  /** Those of `left` that Karpenter buys nodes for all the same: it asks for the refusal, not for who has refused. */
  readonly foreign: readonly Pod[];
}

/** Whether a pod is to be looked at: it has no scheduling gates and is not of a DaemonSet. */
const isFree = (pod: Pod): boolean => (pod.spec.schedulingGates ?? []).length === 0 && !isBoundToNode(pod);

/** A scheduler's refusal that no new node heals, such as that of Fargate; undefined for none. */
const otherRefusal = (pod: Pod): string | undefined => {
  const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (condition?.status !== 'False' || isUnschedulable(pod)) return undefined;
  return condition.reason ?? 'no reason';
};

/** Of pods that wait for one ReadWriteOncePod volume, all but the first by name, each with that one. */
const laterUsers = (pending: readonly Pod[], volumes: Volumes): ReadonlyMap<Pod, Pod> => {
  const users = new Map<string, Pod[]>();
  for (const pod of pending.filter(isFree)) {
    for (const claim of claimsForOnePod(pod, volumes)) users.set(claim, [...(users.get(claim) ?? []), pod]);
  }
  return new Map(
    [...users.values()].flatMap((each) => {
      const [first, ...others] = each.toSorted((a, b) => (podName(a) < podName(b) ? -1 : 1));
      return first ? others.map((pod) => [pod, first] as const) : [];
    }),
  );
};

/**
 * Sorts the pods without a node by Karpenter's rule for those that need one: not nominated, not gated, not of a
 * DaemonSet, not another scheduler's, and not refused for anything but want of a node.
 */
export const waitingPodsOf = (
  { pending, snapshot, facts, views, volumes }: Omit<Cluster, 'supply' | 'namespaces'>,
  schedulers?: readonly string[],
): WaitingPods => {
  const devicesOf = claimedDevicesOfPending(snapshot.deviceClasses ?? [], snapshot.nodes);
  const names = new Set([
    ...facts.map(({ node }) => node.metadata.name),
    ...snapshot.nodeClaims.map(({ metadata }) => metadata.name),
  ]);
  const onlyUsers = laterUsers(pending, volumes);
  const plannable: Pod[] = [];
  const nominated = new Map<string, Pod[]>();
  const left: LeftPod[] = [];
  const foreign: Pod[] = [];
  for (const pod of pending.filter(isFree)) {
    const node = pod.status?.nominatedNodeName ?? '';
    if (names.has(node)) {
      nominated.set(node, [...(nominated.get(node) ?? []), pod]);
      continue;
    }
    const scheduler = foreignSchedulerOf(pod, schedulers);
    const devices = devicesOf(pod);
    const refusal = otherRefusal(pod);
    const only = onlyUsers.get(pod);
    const reason = scheduler
      ? `scheduler ${scheduler} places it, whose rules are not known`
      : devices
        ? `it has ${devices}; devices of claims are not planned, and it is left to Karpenter`
        : only !== undefined || isTaken(pod, views, volumes)
          ? `another pod has its volume, which is ReadWriteOncePod${only === undefined ? '' : `, or gets it first: ${podName(only)}`}`
          : refusal && `its condition PodScheduled is False for ${refusal}, not for want of a node`;
    if (reason === undefined) plannable.push(pod);
    else left.push({ pod, reason });
    if (scheduler && isUnschedulable(pod)) foreign.push(pod);
  }
  return { plannable, nominated, left, foreign };
};

/** Whether others are taking a node out: its pods will need room elsewhere. */
export const isLeaving = ({ node, claim }: Pick<StateNode, 'node' | 'claim'>): boolean =>
  node.metadata.deletionTimestamp !== undefined ||
  claim?.metadata.deletionTimestamp !== undefined ||
  (node.spec?.taints ?? []).some(({ key }) => key === KARPENTER_DISRUPTED_TAINT);

/** The pod as its controller makes it anew: without a node. */
const withoutNode = (pod: Pod): Pod => {
  const { nodeName: _, ...spec } = pod.spec;
  return { ...pod, spec };
};

/** A pod of a leaving node, and as it will wait for another one. */
export interface ComingPod {
  readonly pod: Pod;
  readonly waits: Pod;
  readonly from: string;
}

/** The pods that nodes which others take out will give back, of whatever scheduler: Karpenter replaces the room of all. */
export const comingPodsOf = ({ facts }: Pick<Cluster, 'facts'>): readonly ComingPod[] =>
  facts
    .filter(isLeaving)
    .flatMap(({ node, pods }) =>
      pods.filter(isReschedulable).map((pod) => ({ pod, waits: withoutNode(pod), from: node.metadata.name })),
    );
