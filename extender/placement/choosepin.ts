import { isGated, isHeld, withoutHold } from '../../api/heldpods.ts';
import { KARPENTER_UNREGISTERED_TAINT, PIN_GATE } from '../../api/labels.ts';
import { hasJoined, healthOf, isReady } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isOpen, isOpenToDaemonSets } from '../../api/reservation.ts';
import { decideGate, type GateStep } from '../../planner/pinning/gatepolicy.ts';
import { choosePin, type Pin } from '../../planner/pinning/pinpolicy.ts';
import { type NodeInfo, nodeInfoOf } from '../../planner/scheduling/fit.ts';
import { incompleteGroupReason } from './podgroup.ts';
import { creationOrderOf, heldPodsOf, OWN_TAINTS, type State } from './state.ts';

/**
 * The node with all that takes its room: its pods, assumed pods and pods held for it. For a held pod, those that were
 * created later do not count.
 */
export const nodeInfoFor = (state: State, node: Node, candidate?: Pod): NodeInfo => {
  const { name } = node.metadata;
  const uid = candidate?.metadata.uid;
  const takesRoomFirst = (other: Pod): boolean =>
    other.metadata.uid !== uid &&
    !(
      candidate &&
      isHeld(candidate) &&
      isGated(other) &&
      creationOrderOf(other) > creationOrderOf(candidate)
    );
  const onNode = state.pods.by('node', name);
  const held = state.store.by('node', name).flatMap(({ intent }) => heldPodsOf(state, intent));
  const present = [...onNode, ...held.filter(takesRoomFirst)];
  const seen = new Set(present.map((pod) => pod.metadata.uid));
  const assumed = state.assumedPods.onNode(name).filter((other) => other.uid !== uid && !seen.has(other.uid));
  return nodeInfoOf(node, [...present, ...assumed.map(({ pod }) => pod)], state.requestsOf);
};

export interface Unavailability {
  readonly reason: string;
  /** True when waiting is pointless. */
  readonly isPermanent: boolean;
}

const notYet = (reason: string): Unavailability => ({ reason, isPermanent: false });
const permanently = (reason: string): Unavailability => ({ reason, isPermanent: true });

/** Why the node of an intent accepts no pods now; undefined when it does. */
export const unavailability = (
  state: Pick<State, 'store' | 'nodes' | 'refusals' | 'now'>,
  intent: Intent,
): Unavailability | undefined => {
  if (intent.nodeName === '') return notYet('its node has no name yet');
  const node = state.nodes.get(intent.nodeName);
  const hasKubelet = hasJoined(node);
  for (const { intent: other } of state.store.by('node', intent.nodeName)) {
    if (!other.node) continue;
    const { providerId, joinDeadlineMs } = other.node;
    if (node?.spec?.providerID && providerId && node.spec.providerID !== providerId) {
      return permanently('a Node of that name belongs to another machine');
    }
    // The placeholder may be deleted by then.
    if (joinDeadlineMs > 0 && state.now() >= joinDeadlineMs && !hasKubelet) {
      return permanently('its machine did not join in time');
    }
  }
  if (!node) return notYet('its node does not exist yet');
  if (node.metadata.deletionTimestamp) return permanently('its node is being deleted');
  const refusing = state.refusals.closedReason(intent.nodeName);
  return refusing === undefined ? undefined : permanently(refusing);
};

/** Taints that disappear by themselves while the machine starts. */
const startupTaintsOf = (state: Pick<State, 'store'>, nodeName: string): ReadonlySet<string> =>
  new Set([
    KARPENTER_UNREGISTERED_TAINT,
    ...state.store
      .by('node', nodeName)
      .flatMap(({ intent }) => intent.node?.taints ?? [])
      .flatMap(({ key, startup }) => (startup ? [key] : [])),
  ]);

/** The node of an intent as the pod finds it; undefined where no pod may be placed. */
const pinTargetFor = (state: State, intent: Intent, node: Node | undefined, pod: Pod) => ({
  node: node && nodeInfoFor(state, node, pod),
  isReady: node !== undefined && isReady(node),
  health: node && healthOf(node),
  awaitsDaemonSets: node !== undefined && isOpenToDaemonSets(node),
  isOpen: node !== undefined && isOpen(node),
  ownTaints: OWN_TAINTS,
  startupTaints: startupTaintsOf(state, intent.nodeName),
  ...(state.schedulers && { schedulers: state.schedulers }),
  gate: PIN_GATE,
});

type ChooseFor = (
  state: State,
  intent: Intent,
  pod: Pod,
  at: 'admission' | 'pending',
  isCoexisting?: boolean,
) => Pin;

const chooseIgnoringGroup: ChooseFor = (state, intent, pod, at, isCoexisting = false) => {
  const unavailable = unavailability(state, intent);
  const node = unavailable ? undefined : state.nodes.get(intent.nodeName);
  const pin = choosePin({ pod, at, isCoexisting, ...pinTargetFor(state, intent, node, pod) });
  if (!unavailable || pin.way === 'leave') return pin;
  return { way: unavailable.isPermanent ? 'leave' : pin.way, reason: unavailable.reason };
};

/** The next step for a pod that is held for an intent; the intent is undefined when no plan has it any more. */
export const nextGateStep = (state: State, intent: Intent | undefined, pod: Pod): GateStep => {
  if (!intent?.pin) {
    if (state.store.isDisabled) return { kind: 'release', reason: 'pod pinning is off' };
    if (state.store.hasFullState) return { kind: 'release', reason: 'no running plan has a place for it' };
    return { kind: 'wait', reason: 'the autoscaler has not sent its state yet' };
  }
  const unavailable = unavailability(state, intent);
  if (unavailable?.isPermanent) return { kind: 'release', reason: unavailable.reason };
  if (unavailable) return { kind: 'wait', reason: unavailable.reason };
  const node = state.nodes.get(intent.nodeName);
  return decideGate({ pod: withoutHold(pod), ...pinTargetFor(state, intent, node, pod) });
};

/** How to pin a pod to the node of an intent, given the current state. */
export const choosePinFor: ChooseFor = (state, intent, pod, at, isCoexisting = false) => {
  const pin = chooseIgnoringGroup(state, intent, pod, at, isCoexisting);
  if (pin.way === 'leave' || !pod.spec.schedulingGroup) return pin;
  if (at === 'admission')
    return { way: 'leave', reason: 'its pod group is pinned once all of its pods exist' };
  const incomplete = incompleteGroupReason(state, pod, (other, member) =>
    chooseIgnoringGroup(state, other, member, at),
  );
  return incomplete ? { way: 'leave', reason: incomplete } : pin;
};
