import { isHeld } from '../../api/heldpods.ts';
import { PIN, PREPARING_TAINT } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent, ResultState } from '../../api/pinning.ts';
import { controllerOf, foreignSchedulerOf, isControlledBy, isLive } from '../../api/pods.ts';
import type { Cache } from '../../kube/cache/cache.ts';
import type { ReadRequests } from '../../planner/scheduling/fit.ts';
import type { IntentStore } from '../intents/store.ts';
import type { AssumedPods } from './assumedpods.ts';
import type { Refusals } from './refusals.ts';

/** All that the leader decides from. */
export interface State {
  readonly store: IntentStore;
  readonly pods: Cache<Pod>;
  readonly nodes: Cache<Node>;
  readonly assumedPods: AssumedPods;
  readonly refusals: Pick<Refusals, 'closedReason'>;
  readonly requestsOf: ReadRequests;
  /** Names of the schedulers whose pods are pinned; our own when left out. */
  readonly schedulers?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Sends the result of an intent to the autoscaler. */
export type Report = (
  intentId: string,
  result: { readonly state: ResultState; readonly reason: string; readonly bound: number },
) => void;

/** Taints that reserve a node for the pods of a plan. */
export const OWN_TAINTS: ReadonlySet<string> = new Set([PREPARING_TAINT]);

/** Sorts pods by creation; the name tells apart those of one second. */
export const creationOrderOf = ({ metadata }: Pod): string =>
  `${metadata.creationTimestamp ?? ''}/${metadata.name}`;

export const ownerUidOf = (pod: Pod): string => controllerOf(pod)?.uid ?? '';

/**
 * Whether a pin is for this pod: the pod itself, or one of the namespace that the owner controls. What a pod says of its
 * pin counts only together with this.
 */
export const isPinFor = ({ pin }: Intent, pod: Pod): boolean => {
  if (pin?.pod) return pod.metadata.namespace === pin.namespace && pod.metadata.uid === pin.pod.uid;
  return isControlledBy(pod, pin?.owner, pin?.namespace);
};

/** Pods that are held for an intent, behind our gate or tied to the node by affinity. */
export const heldPodsOf = (state: Pick<State, 'pods' | 'schedulers'>, intent: Intent): readonly Pod[] =>
  intent.pin
    ? state.pods
        .by('pin', intent.id)
        .filter((pod) => isHeld(pod) && isLive(pod) && isPinFor(intent, pod))
        .filter((pod) => foreignSchedulerOf(pod, state.schedulers) === undefined)
    : [];

/** The intent that a pod waits for, behind our gate or tied to its node; undefined where the pin is not for it. */
export const intentOfHeld = (state: Pick<State, 'store'>, pod: Pod): Intent | undefined => {
  const intent = state.store.get(pod.metadata.annotations?.[PIN] ?? '')?.intent;
  return intent && isPinFor(intent, pod) ? intent : undefined;
};

/** Whether the node exists and its kubelet has joined. */
export const hasJoinedNode = (state: Pick<State, 'nodes'>, name: string): boolean => {
  const node = state.nodes.get(name);
  return node !== undefined && hasJoined(node);
};
