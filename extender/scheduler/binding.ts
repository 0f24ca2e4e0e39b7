import { isGated, isHeld } from '../../api/heldpods.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import { assignPendingPods } from '../placement/allocate.ts';
import { choosePinFor } from '../placement/choosepin.ts';
import { intentOfHeld, isPinFor, ownerUidOf, type State } from '../placement/state.ts';
import { bindPod, type ObservePin } from '../pods/bind.ts';
import type { BindingArgs } from './args.ts';

/** The replica that leads, for as long as it does. */
export interface Leader {
  readonly state: State;
  /** Fenced client: it refuses to write once another replica may lead. */
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  readonly observe: ObservePin;
}

const intentsOf = (state: State, pod: Pod): readonly Intent[] => {
  const ofPod = state.store.by('pod', pod.metadata.uid ?? '').map(({ intent }) => intent);
  if (ofPod.length > 0) return ofPod.filter((intent) => isPinFor(intent, pod));
  if (isHeld(pod)) return [intentOfHeld(state, pod) ?? []].flat();
  return assignPendingPods(state, ownerUidOf(pod)).flatMap((match) =>
    match.pod === pod ? [match.intent] : [],
  );
};

/** A binding that a live pin allows, or why there is none. */
export type Allowed =
  | { readonly pod: Pod; readonly intent: Intent; readonly reason: string }
  | { readonly intent: undefined; readonly reason: string };

/**
 * What a caller may have bound: a pod that the pinner would bind to that node itself. So a caller that is not
 * kube-scheduler gets nothing done that would not be done without it.
 */
export const allowedBinding = (
  state: State,
  { PodName, PodNamespace, PodUID, Node }: BindingArgs,
): Allowed => {
  const refused = (reason: string): Allowed => ({ intent: undefined, reason });
  const pod = state.pods.get(`${PodNamespace}/${PodName}`);
  if (!pod || pod.metadata.uid !== PodUID || !isLive(pod)) return refused('there is no such pod');
  if (pod.spec.nodeName) return refused('the pod has its node');
  if (isGated(pod)) return refused('the pod waits behind our gate');
  if (state.assumedPods.has(PodUID)) return refused('the pod is being bound already');
  const intent = intentsOf(state, pod).find(({ nodeName }) => nodeName === Node);
  if (!intent) return refused('no running plan puts the pod on that node');
  const { way, reason } = choosePinFor(state, intent, pod, 'pending');
  return way === 'bind'
    ? { pod, intent, reason }
    : refused(`the pod is not bound by the pod pinner: ${reason}`);
};

/**
 * Answers the verb bind: the error, or an empty text once the pod is bound. Where the extender is ignorable,
 * kube-scheduler binds a pod itself after an error.
 */
export const bindFor = async (
  leader: Leader | undefined,
  args: BindingArgs,
  log: Logger,
): Promise<string> => {
  if (!leader) return 'this replica of the pod pinner does not lead';
  const { state, client, observe, signal } = leader;
  if (state.store.isDisabled) return 'pod pinning is off';
  const allowed = allowedBinding(state, args);
  if (!allowed.intent) return allowed.reason;
  const { intent, pod, reason } = allowed;
  const context = { client, state, log, observe };
  try {
    const outcome = await bindPod(context, intent, pod, { way: 'bind', reason }, signal);
    return outcome === 'bound' ? '' : "the pod can't be bound: another writer placed or deleted it first";
  } catch (error) {
    return `the pod can't be bound: ${messageOf(error)}`;
  }
};
