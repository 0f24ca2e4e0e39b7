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
  /** Pods, as 'namespace/name', that get a ReadWriteOncePod volume before others which wait for it. */
  readonly keepers: ReadonlySet<string>;
}

/** Whether a pod is to be looked at: it has no scheduling gates and is not of a DaemonSet. */
const isFree = (pod: Pod): boolean => (pod.spec.schedulingGates ?? []).length === 0 && !isBoundToNode(pod);

/** A scheduler's refusal that no new node heals, such as that of Fargate; undefined for none. */
const otherRefusal = (pod: Pod): string | undefined => {
  const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (condition?.status !== 'False' || isUnschedulable(pod)) return undefined;
  return condition.reason ?? 'no reason';
};

/**
 * Of pods that wait for one ReadWriteOncePod volume, all but the one that gets it, each with that one: a pod that has been
 * promised a node, else the first by name.
 */
const laterUsers = (
  rivals: readonly Pod[],
  isPromised: (pod: Pod) => boolean,
  volumes: Volumes,
): ReadonlyMap<Pod, Pod> => {
  const users = new Map<string, Pod[]>();
  for (const pod of rivals) {
    for (const claim of claimsForOnePod(pod, volumes)) users.set(claim, [...(users.get(claim) ?? []), pod]);
  }
  const order = (a: Pod, b: Pod): number =>
    Number(isPromised(b)) - Number(isPromised(a)) || (podName(a) < podName(b) ? -1 : 1);
  return new Map(
    [...users.values()].flatMap((each) => {
      const [first, ...others] = each.toSorted(order);
      return first ? others.map((pod) => [pod, first] as const) : [];
    }),
  );
};

/**
 * Sorts the pods without a node by Karpenter's rule for those that need one: not nominated, not gated, not of a
 * DaemonSet, not another scheduler's, and not refused for anything but want of a node. Pods that are `passedOver`, as
 * 'namespace/name', keep no volume from others.
 */
export const waitingPodsOf = (
  { pending, snapshot, facts, views, volumes }: Omit<Cluster, 'supply' | 'namespaces'>,
  schedulers?: readonly string[],
  passedOver: ReadonlySet<string> = new Set(),
): WaitingPods => {
  const devicesOf = claimedDevicesOfPending(snapshot.deviceClasses ?? [], snapshot.nodes);
  const names = new Set([
    ...facts.map(({ node }) => node.metadata.name),
    ...snapshot.nodeClaims.map(({ metadata }) => metadata.name),
  ]);
  const isPromised = (pod: Pod): boolean => names.has(pod.status?.nominatedNodeName ?? '');
  const foreignReason = (pod: Pod): string | undefined => {
    const scheduler = foreignSchedulerOf(pod, schedulers);
    if (scheduler) return `scheduler ${scheduler} places it, whose rules are not known`;
    const devices = devicesOf(pod);
    if (devices) return `it has ${devices}; devices of claims are not planned, and it is left to Karpenter`;
    const refusal = otherRefusal(pod);
    return refusal && `its condition PodScheduled is False for ${refusal}, not for want of a node`;
  };
  const free = pending.filter(isFree);
  const reasons = new Map(free.map((pod) => [pod, isPromised(pod) ? undefined : foreignReason(pod)]));
  const rivals = free.filter((pod) => reasons.get(pod) === undefined && !passedOver.has(podName(pod)));
  const onlyUsers = laterUsers(rivals, isPromised, volumes);
  const plannable: Pod[] = [];
  const nominated = new Map<string, Pod[]>();
  const left: LeftPod[] = [];
  const foreign: Pod[] = [];
  for (const pod of free) {
    if (isPromised(pod)) {
      const node = pod.status?.nominatedNodeName ?? '';
      nominated.set(node, [...(nominated.get(node) ?? []), pod]);
      continue;
    }
    const only = onlyUsers.get(pod);
    const reason =
      reasons.get(pod) ??
      (only !== undefined || isTaken(pod, views, volumes)
        ? `another pod has its volume, which is ReadWriteOncePod${only === undefined ? '' : `, or gets it first: ${podName(only)}`}`
        : undefined);
    if (reason === undefined) plannable.push(pod);
    else left.push({ pod, reason });
    if (foreignSchedulerOf(pod, schedulers) && isUnschedulable(pod)) foreign.push(pod);
  }
  return { plannable, nominated, left, foreign, keepers: new Set([...onlyUsers.values()].map(podName)) };
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
