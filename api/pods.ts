import { MIRROR_POD, SURGE } from './labels.ts';
import type { OwnerReference, Pod, ReplicaSet } from './objects.ts';

/** The owner reference of the controller that replaces a pod when it goes. */
export const controllerOf = ({ metadata }: Pod): OwnerReference | undefined =>
  metadata.ownerReferences?.find((owner) => owner.controller);

/** 'namespace/name', for messages and keys. */
export const podName = ({ metadata }: Pod): string => `${metadata.namespace ?? 'default'}/${metadata.name}`;

/** True for a pod that has ended: its node owes it nothing any more. */
export const hasEnded = ({ status }: Pod): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** True for a pod that is being deleted. */
export const isTerminating = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;

/** True for a pod that counts for its owner: neither ended nor being deleted. */
export const isLive = (pod: Pod): boolean => !hasEnded(pod) && !isTerminating(pod);

/** True when the kubelet calls the pod ready. */
export const isPodReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;

/** True for a pod that goes with its node: of a DaemonSet, or a static pod of the kubelet. */
export const isBoundToNode = (pod: Pod): boolean => {
  const kind = controllerOf(pod)?.kind;
  return kind === 'DaemonSet' || kind === 'Node' || pod.metadata.annotations?.[MIRROR_POD] !== undefined;
};

/** True for a pod that a drain has to wait for, pods that are already being deleted included. */
export const isDrainable = (pod: Pod): boolean => !hasEnded(pod) && !isBoundToNode(pod);

/** True for a pod that needs another place when its node goes. Karpenter's word, pkg/utils/pod/scheduling.go. */
export const isReschedulable = (pod: Pod): boolean => isDrainable(pod) && !isTerminating(pod);

/** Whether a Deployment's only pod stays until its successor is ready: by its annotation, else by default. */
export const isSurgeWanted = (pod: Pod, replicaSet: ReplicaSet, byDefault: boolean): boolean => {
  const wish = pod.metadata.annotations?.[SURGE] ?? replicaSet.metadata.annotations?.[SURGE];
  return wish === undefined ? byDefault : wish === 'true';
};
