import { isGated, isHeld, landingNodeOf } from '../../api/heldpods.ts';
import { PIN_NODE } from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Pod, Toleration } from '../../api/objects.ts';
import { controllerOf, foreignSchedulerOf, isLive } from '../../api/pods.ts';
import { isOpenToDaemonSets } from '../../api/reservation.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import {
  type Action,
  awaitChange,
  type Controller,
  requeue,
  watches,
} from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import { landPod, nameNode, removeGate, replacePod } from '../../kube/heldpods/gates.ts';
import type { HoldTimeouts } from '../../planner/pinning/gatepolicy.ts';
import { claimedDevices } from '../../planner/scheduling/resourceclaims.ts';
import { nextGateStep } from '../placement/choosepin.ts';
import { intentOfHeld, type State } from '../placement/state.ts';
import { bindPod, type ObservePin } from './bind.ts';
import { missingTolerations, nominatePod } from './nominate.ts';

const RECHECK_MS = 1_000;
/**
 * Interval of looks at deadlines, which pass without an event; everything else that a held pod waits for is watched.
 */
const DEADLINE_CHECK_MS = 3_000;
/** Time without holding pods for an intent after kube-scheduler refused its node. */
const AVOID_MS = 600_000;

interface GateContext {
  readonly client: KubeClient;
  readonly state: State;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly observe: ObservePin;
  /**
   * How long a landed pod may stay unschedulable before it is replaced: `timeoutMs`, or `longestMs` while its node's
   * driver has not published its devices, or DaemonSets are let onto the node.
   */
  readonly limits: HoldTimeouts;
}

const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;

const releaseGate = async (
  context: GateContext,
  pod: Pod,
  reason: string,
  o: { readonly tolerations?: readonly Toleration[]; readonly signal: AbortSignal },
): Promise<void> => {
  await removeGate(context.client, pod, o);
  context.observe('hold', 'lost');
  context.recorder.event(PODS, pod, 'Normal', 'PinLifted', `left to kube-scheduler: ${reason}`);
  context.log.info({ pod: keyOf(pod), node: pod.metadata.annotations?.[PIN_NODE], reason }, 'gate released');
};

/** Advances a gated pod: it waits, lands, is nominated, or loses its gate. */
const advanceGated = async (context: GateContext, pod: Pod, signal: AbortSignal): Promise<Action> => {
  const { client, state } = context;
  const intent = intentOfHeld(state, pod);
  const step = nextGateStep(state, intent, pod);
  if (step.kind === 'release' || !intent) {
    if (step.kind === 'wait') return requeue(RECHECK_MS);
    await releaseGate(context, pod, step.reason, { signal });
    return awaitChange;
  }
  const { nodeName, plan } = intent;
  if (step.kind === 'wait') {
    const isNamed = nodeName === '' || pod.metadata.annotations?.[PIN_NODE] === nodeName;
    if (!isNamed) await nameNode(client, pod, nodeName, signal);
    return requeue(DEADLINE_CHECK_MS);
  }
  if (step.kind === 'nominate') {
    // The nomination comes first, since kube-scheduler takes the pod the moment its gate is off.
    await nominatePod(context.client, intent, pod, signal);
    const { name, namespace = '' } = pod.metadata;
    const fresh = await client.get(PODS, { name, namespace }, { signal });
    await releaseGate(context, fresh, step.reason, {
      tolerations: missingTolerations(state.nodes.get(nodeName), pod),
      signal,
    });
    return awaitChange;
  }
  const tolerations = step.isEarly ? [] : missingTolerations(state.nodes.get(nodeName), pod);
  const landed = await landPod(client, pod, { nodeName, tolerations, signal });
  if (step.isEarly) {
    const outcome = await bindPod(context, intent, landed, { way: 'hold', reason: step.reason }, signal);
    return outcome === 'bound' ? awaitChange : requeue(RECHECK_MS);
  }
  context.observe('hold', 'done');
  context.log.info({ pod: keyOf(pod), node: nodeName, plan, way: 'hold', reason: step.reason }, 'pod pinned');
  return awaitChange;
};

const unschedulableMessage = ({ status }: Pod): string | undefined => {
  const condition = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return condition?.status === 'False' && condition.reason === 'Unschedulable'
    ? (condition.message ?? '')
    : undefined;
};

/** kube-scheduler's message names the claims; a driver publishes its devices some time after the node is ready. */
const awaitsDevices = (pod: Pod, message: string): boolean =>
  claimedDevices(pod) !== undefined && /claim/i.test(message);

/** The wait of an unschedulable pod; it starts anew when its node is cordoned for DaemonSets, and when that ends. */
interface Wait {
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly isCordoned: boolean;
}

/** Watches a landed pod until kube-scheduler binds it; one that stays unschedulable is replaced. */
const watchLanded = async (
  context: GateContext,
  pod: Pod,
  unschedulableSince: Map<string, Wait>,
  signal: AbortSignal,
): Promise<Action> => {
  const { state, limits } = context;
  const uid = pod.metadata.uid ?? '';
  const intent = intentOfHeld(state, pod);
  const node = state.nodes.get(landingNodeOf(pod) ?? '');
  if (intent && node && !isReady(node) && intent.nodeName === node.metadata.name) {
    // Binds a pod whose leader stopped between the landing and the early binding.
    const step = nextGateStep(state, intent, pod);
    if (step.kind === 'land' && step.isEarly) {
      await bindPod(context, intent, pod, { way: 'hold', reason: step.reason }, signal);
      return requeue(RECHECK_MS);
    }
  }
  const message = unschedulableMessage(pod);
  if (message === undefined) {
    unschedulableSince.delete(uid);
    return requeue(RECHECK_MS);
  }
  // A node that opens to DaemonSets for a while does not refuse the pod; its cordon stays when kentroller is gone.
  const isCordoned = node !== undefined && isOpenToDaemonSets(node);
  const known = unschedulableSince.get(uid);
  const wait = known?.isCordoned === isCordoned ? known : { startMs: state.now(), isCordoned };
  unschedulableSince.set(uid, wait);
  const limitMs = isCordoned || awaitsDevices(pod, message) ? limits.longestMs : limits.timeoutMs;
  const remainingMs = wait.startMs + limitMs - state.now();
  if (remainingMs > 0) return requeue(Math.max(1, Math.min(remainingMs, RECHECK_MS)));
  unschedulableSince.delete(uid);
  if (intent) state.assumedPods.avoid(intent.id, state.now() + AVOID_MS);
  await replacePod(context.client, pod, signal);
  context.observe('hold', 'lost');
  const explanation = `kube-scheduler rejects it for node ${landingNodeOf(pod)}: ${message}`;
  context.recorder.event(PODS, pod, 'Warning', 'PinGivenUp', `replaced without a pin: ${explanation}`);
  context.log.warn({ pod: keyOf(pod), node: landingNodeOf(pod), reason: message }, 'pinned pod replaced');
  return awaitChange;
};

/** Whether a pod that is tied to a node may be replaced: its pin may be forged, so only where a controller makes another. */
const isReplaceable = ({ schedulers }: State, pod: Pod): boolean =>
  isHeld(pod) && controllerOf(pod) !== undefined && foreignSchedulerOf(pod, schedulers) === undefined;

/** Lands pods that were created behind our gate, or removes their gates. Key: 'namespace/name'. */
export const createGateController = (context: GateContext): Controller => {
  const { state } = context;
  const unschedulableSince = new Map<string, Wait>();
  const keysOf = (intentId: string): readonly string[] => state.pods.by('pin', intentId).map(keyOf);
  return {
    name: 'pod.hold',
    sources: [
      watches(state.pods, (pod, { type }) => {
        if (type === 'delete') unschedulableSince.delete(pod.metadata.uid ?? '');
        return type !== 'delete' && (isGated(pod) || isHeld(pod)) ? [keyOf(pod)] : [];
      }),
      watches(state.store, ({ intent }) => keysOf(intent.id)),
      watches(state.nodes, ({ metadata }) =>
        state.store.by('node', metadata.name).flatMap(({ intent }) => keysOf(intent.id)),
      ),
    ],
    reconcile: async (key, signal) => {
      const pod = state.pods.get(key);
      if (!pod || !isLive(pod) || pod.spec.nodeName) return awaitChange;
      try {
        if (isGated(pod)) return await advanceGated(context, pod, signal);
        return isReplaceable(state, pod)
          ? await watchLanded(context, pod, unschedulableSince, signal)
          : awaitChange;
      } catch (error) {
        // Another writer was faster; the cache brings the new version.
        if (isConflict(error)) return requeue(RECHECK_MS / 10);
        if (isNotFound(error)) return awaitChange;
        throw error;
      }
    },
  };
};
