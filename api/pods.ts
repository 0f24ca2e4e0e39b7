import { AWAITS_PLAN, MIRROR_POD, SURGE } from './labels.ts';
import { hasJoined } from './nodes.ts';
import type { Node, OwnerReference, Pod, ReplicaSet } from './objects.ts';
import { isTrue } from './records/condition.ts';

/** The owner reference of the pod's controller, which replaces the pod. */
export const controllerOf = ({ metadata }: Pod): OwnerReference | undefined =>
  metadata.ownerReferences?.find((owner) => owner.controller);

export type ControllerRef = Pick<OwnerReference, 'kind' | 'name' | 'uid'>;

/** What tells a controller from all others; the uid alone does not, since any pod may name it in any namespace. */
export const controllerKey = ({ kind, name, uid }: ControllerRef, namespace: string): string =>
  `${namespace}/${kind}/${name}/${uid}`;

/** True for a pod of this controller, which lives in this namespace; a pod may name a controller of another one. */
export const isControlledBy = (
  pod: Pod,
  controller: ControllerRef | undefined,
  namespace: string | undefined,
): boolean => {
  const owner = controllerOf(pod);
  if (!owner || !controller || pod.metadata.namespace !== namespace) return false;
  return owner.uid === controller.uid && owner.kind === controller.kind && owner.name === controller.name;
};

/** True for two pods of one namespace and one controller. */
export const haveSameController = (a: Pod, b: Pod): boolean =>
  isControlledBy(b, controllerOf(a), a.metadata.namespace);

/** 'namespace/name'. */
export const podName = ({ metadata }: Pod): string => `${metadata.namespace ?? 'default'}/${metadata.name}`;

/** True for a pod that has ended, so that it uses nothing of its node. */
export const hasEnded = ({ status }: Pod): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** True for a pod that is being deleted. */
export const isTerminating = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;

/** True for a pod that counts for its owner: neither ended nor being deleted. */
export const isLive = (pod: Pod): boolean => !hasEnded(pod) && !isTerminating(pod);

/** True when the kubelet calls the pod ready. */
export const isPodReady = ({ status }: Pod): boolean => isTrue(status?.conditions, 'Ready');

/** True for a pod of a DaemonSet. */
export const isOfDaemonSet = (pod: Pod): boolean => controllerOf(pod)?.kind === 'DaemonSet';

/** True for a pod that can't live on another node: of a DaemonSet, or static. */
export const isBoundToNode = (pod: Pod): boolean => {
  const kind = controllerOf(pod)?.kind;
  return kind === 'DaemonSet' || kind === 'Node' || pod.metadata.annotations?.[MIRROR_POD] !== undefined;
};

/** True for a pod that a drain has to wait for, pods that are already being deleted included. */
export const isDrainable = (pod: Pod): boolean => !hasEnded(pod) && !isBoundToNode(pod);

/** True for a pod that a drain may evict: one that needs another node and is not being deleted already. */
export const isEvictable = (pod: Pod): boolean => isDrainable(pod) && !isTerminating(pod);

/** True for a machine that may be given up: it has not joined, or no pod on it would be lost. */
export const isUnused = (node: Node | undefined, pods: readonly Pod[]): boolean =>
  !hasJoined(node) || !pods.some(isEvictable);

/**
 * True for a pod that needs another node when its node goes. A StatefulSet makes the successor of a terminating pod once
 * that is gone, so such a pod counts until then. Source: Karpenter's pkg/utils/pod/scheduling.go.
 */
export const isReschedulable = (pod: Pod): boolean =>
  isEvictable(pod) || (isDrainable(pod) && controllerOf(pod)?.kind === 'StatefulSet');

/** Whether a Deployment's only pod should surge: by the annotation of the pod, else of the ReplicaSet, else by default. */
export const isSurgeWanted = (pod: Pod, replicaSet: ReplicaSet, byDefault: boolean): boolean => {
  const annotated = pod.metadata.annotations?.[SURGE] ?? replicaSet.metadata.annotations?.[SURGE];
  return annotated === undefined ? byDefault : annotated === 'true';
};

/** True for a pod that kube-scheduler found no node for: the pods that Karpenter provisions for. */
export const isUnschedulable = (pod: Pick<Pod, 'status'>): boolean =>
  pod.status?.conditions?.some(
    (c) => c.type === 'PodScheduled' && c.status === 'False' && c.reason === 'Unschedulable',
  ) ?? false;

/** True for a pod that is nominated for a plan that is about to be made, and so for no node. */
export const isAwaitingPlan = ({ status }: Pick<Pod, 'status'>): boolean => {
  const name = status?.nominatedNodeName ?? '';
  return name === AWAITS_PLAN || name.startsWith(`${AWAITS_PLAN}.`);
};

const DEFAULT_SCHEDULER = 'default-scheduler';

/** Schedulers whose rules are ours: kube-scheduler, and the second one of our manifests. */
export const OUR_SCHEDULERS: readonly string[] = [DEFAULT_SCHEDULER, 'castai-scheduler'];

/** The scheduler that places a pod by rules of its own, so that nothing is known of where it fits. */
export const foreignSchedulerOf = (
  { spec }: Pod,
  ours: readonly string[] = OUR_SCHEDULERS,
): string | undefined => {
  const scheduler = spec.schedulerName || DEFAULT_SCHEDULER;
  return ours.includes(scheduler) ? undefined : scheduler;
};

/**
 * The controller of a pod that is being created and whose node is for a scheduler of `schedulers` to choose; a reason where there is no
 * such controller.
 */
export const ownerToPlaceFor = (pod: Pod, schedulers?: readonly string[]): OwnerReference | string => {
  if (pod.metadata.annotations?.[MIRROR_POD] !== undefined) return 'it mirrors a static pod';
  const owner = controllerOf(pod);
  if (!owner) return 'it has no controller';
  if (owner.kind === 'DaemonSet' || owner.kind === 'Node')
    return `a pod of a ${owner.kind} belongs to its node`;
  const scheduler = foreignSchedulerOf(pod, schedulers);
  return scheduler ? `scheduler ${scheduler} places it` : owner;
};

/** True for a pod that no kubelet has seen: it may be deleted without a grace period. */
export const hasNeverStarted = (pod: Pod): boolean => pod.status?.startTime === undefined;
