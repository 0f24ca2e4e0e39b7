import { isGated, otherGates } from '../api/heldpods.ts';
import { MIRROR_POD, PIN, PIN_GATE, PIN_HELD, PIN_NODE } from '../api/labels.ts';
import type { OwnerReference, Pod } from '../api/objects.ts';
import type { TakeReply } from '../api/pinning.ts';
import { controllerOf } from '../api/pods.ts';
import type { Operation } from './review.ts';

/** Whether one of the plans that run moves pods of this owner, by uid. */
export type IsMoved = (ownerUid: string) => boolean;

export type Match =
  | { readonly kind: 'candidate'; readonly owner: OwnerReference }
  | { readonly kind: 'pass'; readonly reason: string };

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
  if (pod.metadata.annotations?.[MIRROR_POD] !== undefined) return pass('it mirrors a static pod');
  const owner = controllerOf(pod);
  if (!owner) return pass('it has no controller');
  if (owner.kind === 'DaemonSet' || owner.kind === 'Node')
    return pass(`pods of a ${owner.kind} have their node`);
  if (!o.isMoved(owner.uid)) return pass('no plan that runs moves its owner');
  if (otherGates(pod).length > 0 && !mayBeOurs) return pass('it has scheduling gates of others');
  if (isGated(pod) && !mayBeOurs) return pass('it carries our gate already');
  return { kind: 'candidate', owner };
};

const pointerOf = (...segments: readonly string[]): string =>
  segments.map((segment) => `/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

const put = (
  at: 'labels' | 'annotations',
  there: Readonly<Record<string, string>> | undefined,
  wanted: Readonly<Record<string, string>>,
): readonly Operation[] => {
  const missing = Object.entries(wanted).filter(([key, value]) => there?.[key] !== value);
  if (missing.length === 0) return [];
  if (!there) return [{ op: 'add', path: `/metadata/${at}`, value: wanted }];
  return missing.map(([key, value]) => ({ op: 'add', path: pointerOf('metadata', at, key), value }));
};

const drop = (
  at: 'labels' | 'annotations',
  there: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
): readonly Operation[] =>
  keys
    .filter((key) => there?.[key] !== undefined)
    .map((key) => ({ op: 'remove', path: pointerOf('metadata', at, key) }));

const ungate = ({ spec }: Pod): readonly Operation[] => {
  const gates = spec.schedulingGates ?? [];
  const at = gates.findIndex(({ name }) => name === PIN_GATE);
  if (at < 0) return [];
  return [{ op: 'remove', path: gates.length > 1 ? `/spec/schedulingGates/${at}` : '/spec/schedulingGates' }];
};

const unplace = ({ spec }: Pod): readonly Operation[] =>
  spec.nodeName === undefined ? [] : [{ op: 'remove', path: '/spec/nodeName' }];

const assign = (pod: Pod, { nodeName, intentId }: TakeReply): readonly Operation[] => {
  const { labels, annotations } = pod.metadata;
  const isThere = pod.spec.nodeName === nodeName;
  return [
    ...ungate(pod),
    ...drop('labels', labels, [PIN_HELD]),
    ...drop('annotations', annotations, [PIN_NODE]),
    ...(isThere ? [] : [{ op: 'add', path: '/spec/nodeName', value: nodeName } as const]),
    ...put('annotations', annotations, { [PIN]: intentId }),
  ];
};

const hold = (pod: Pod, { nodeName, intentId }: TakeReply): readonly Operation[] => {
  const { labels, annotations } = pod.metadata;
  const gate = { name: PIN_GATE };
  const gated: readonly Operation[] = pod.spec.schedulingGates
    ? [{ op: 'add', path: '/spec/schedulingGates/-', value: gate }]
    : [{ op: 'add', path: '/spec/schedulingGates', value: [gate] }];
  return [
    // A pod that has a node may have no gate.
    ...unplace(pod),
    ...(isGated(pod) ? [] : gated),
    ...put('labels', labels, { [PIN_HELD]: 'true' }),
    ...put('annotations', annotations, { [PIN]: intentId, ...(nodeName ? { [PIN_NODE]: nodeName } : {}) }),
  ];
};

/** What has to change so that the pod, as it came, is pinned as the pod pinner says; empty when it is so already. */
export const pinPatch = (pod: Pod, reply: TakeReply): readonly Operation[] =>
  reply.way === 'hold' ? hold(pod, reply) : assign(pod, reply);

/** Takes our pin back: the pod is as if we had never seen it. */
export const takeBackPatch = (pod: Pod): readonly Operation[] => [
  ...unplace(pod),
  ...ungate(pod),
  ...drop('labels', pod.metadata.labels, [PIN_HELD]),
  ...drop('annotations', pod.metadata.annotations, [PIN, PIN_NODE]),
];
