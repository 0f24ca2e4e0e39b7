import { PIN } from '../api/labels.ts';
import type { OwnerReference, Pod } from '../api/objects.ts';
import type { Operation } from './review.ts';

/** Whether one of the plans that run moves pods of this owner, by uid. */
export type IsMoved = (ownerUid: string) => boolean;

export type Match =
  | { readonly kind: 'candidate'; readonly owner: OwnerReference }
  | { readonly kind: 'pass'; readonly reason: string };

const MIRROR = 'kubernetes.io/config.mirror';

const pass = (reason: string): Match => ({ kind: 'pass', reason });

/** Whether a pod that is being created may have a place in a plan that runs. */
export const matchPod = (
  pod: Pod,
  namespace: string,
  o: { readonly ownNamespace: string; readonly isMoved: IsMoved },
): Match => {
  if (namespace === 'kube-system') return pass('kube-system is left alone');
  if (namespace === o.ownNamespace) return pass('our own pods are left alone');
  // With our mark it may be ours of a moment ago, sent again because another webhook changed the pod.
  const mayBeOurs = pod.metadata.annotations?.[PIN] !== undefined;
  if (pod.spec.nodeName && !mayBeOurs) return pass('it has its node already');
  if (pod.metadata.annotations?.[MIRROR] !== undefined) return pass('it mirrors a static pod');
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
  if (!owner) return pass('it has no controller');
  if (owner.kind === 'DaemonSet' || owner.kind === 'Node')
    return pass(`pods of a ${owner.kind} have their node`);
  if (!o.isMoved(owner.uid)) return pass('no plan that runs moves its owner');
  if ((pod.spec.schedulingGates ?? []).length > 0) return pass('it has scheduling gates');
  return { kind: 'candidate', owner };
};

const pointerOf = (segment: string): string => segment.replaceAll('~', '~0').replaceAll('/', '~1');

const ANNOTATION = `/metadata/annotations/${pointerOf(PIN)}`;

/** Puts a pod on its node as it is created, and marks it with its intent; empty when it is so already. */
export const assignPatch = (pod: Pod, nodeName: string, intentId: string): readonly Operation[] => {
  const { annotations } = pod.metadata;
  if (pod.spec.nodeName === nodeName && annotations?.[PIN] === intentId) return [];
  return [
    { op: 'add', path: '/spec/nodeName', value: nodeName },
    annotations
      ? { op: 'add', path: ANNOTATION, value: intentId }
      : { op: 'add', path: '/metadata/annotations', value: { [PIN]: intentId } },
  ];
};

/** Takes our pin back: the pod is as if we had never seen it. */
export const takeBackPatch = (): readonly Operation[] => [
  { op: 'remove', path: '/spec/nodeName' },
  { op: 'remove', path: ANNOTATION },
];
