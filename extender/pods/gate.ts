import { isGated, isHeld, landsOn } from '../../api/heldpods.ts';
import { PIN, PIN_NODE, PREPARING_TAINT } from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Pod, Toleration } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
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
import type { HoldLimits } from '../../planner/pinning/gatepolicy.ts';
import { nextGateStep } from '../placement/choosepin.ts';
import { ownerUidOf, type State } from '../placement/state.ts';
import { bind, nominate } from './pin.ts';

const LOOK_AGAIN_MS = 1_000;
/** Deadlines pass, and nobody tells; all else that a held pod waits for is a change of something watched. */
const WAIT_MS = 3_000;
/** How long no pod is held for an intent whose node kube-scheduler has refused. */
const AVOID_MS = 600_000;

interface GateContext {
  readonly client: KubeClient;
  readonly state: State;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly observe: (way: string, outcome: 'done' | 'lost') => void;
  /**
   * How long a landed pod may stay unschedulable before its controller makes another: the longest where the node's
   * driver has not published its devices yet.
   */
  readonly limits: HoldLimits;
}

const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;

const intentOf = (state: State, pod: Pod): Intent | undefined => {
  const intent = state.store.get(pod.metadata.annotations?.[PIN] ?? '')?.intent;
  return intent?.pin?.owner?.uid === ownerUidOf(pod) ? intent : undefined;
};

/** Our reservation of the node, where it stands and the pod does not tolerate it yet. */
const tolerationsFor = (state: State, nodeName: string, pod: Pod): readonly Toleration[] => {
  const isReserved = state.nodes.get(nodeName)?.spec?.taints?.some(({ key }) => key === PREPARING_TAINT);
  const isTolerated = pod.spec.tolerations?.some(({ key }) => key === PREPARING_TAINT);
  return isReserved && !isTolerated
    ? [{ key: PREPARING_TAINT, operator: 'Exists', effect: 'NoSchedule' }]
    : [];
};

const releaseGate = async (
  p: GateContext,
  pod: Pod,
  reason: string,
  o: { readonly tolerations?: readonly Toleration[]; readonly signal: AbortSignal },
): Promise<void> => {
  await removeGate(p.client, pod, o);
  p.observe('hold', 'lost');
  p.recorder.event(PODS, pod, 'Normal', 'PinLifted', `left to kube-scheduler: ${reason}`);
  p.log.info({ pod: keyOf(pod), node: pod.metadata.annotations?.[PIN_NODE], reason }, 'gate released');
};

/** Behind our gate: wait, land, or let go. */
const advanceGated = async (p: GateContext, pod: Pod, signal: AbortSignal): Promise<Action> => {
  const { client, state } = p;
  const intent = intentOf(state, pod);
  const step = nextGateStep(state, intent, pod);
  if (step.kind === 'lift' || !intent) {
    if (step.kind === 'wait') return requeue(LOOK_AGAIN_MS);
    await releaseGate(p, pod, step.reason, { signal });
    return awaitChange;
  }
  const { nodeName, plan } = intent;
  if (step.kind === 'wait') {
    const isNamed = nodeName === '' || pod.metadata.annotations?.[PIN_NODE] === nodeName;
    if (!isNamed) await nameNode(client, pod, nodeName, signal);
    return requeue(WAIT_MS);
  }
  if (step.kind === 'nominate') {
    // The wish first: kube-scheduler looks at the pod the moment that the gate is off.
    await nominate(p, intent, pod, signal);
    const { name, namespace = '' } = pod.metadata;
    const fresh = await client.get(PODS, { name, namespace }, { signal });
    await releaseGate(p, fresh, step.reason, { tolerations: tolerationsFor(state, nodeName, pod), signal });
    return awaitChange;
  }
  const tolerations = step.isEarly ? [] : tolerationsFor(state, nodeName, pod);
  const landed = await landPod(client, pod, { nodeName, tolerations, signal });
  if (step.isEarly) {
    const outcome = await bind(p, intent, landed, { way: 'hold', reason: step.reason }, signal);
    return outcome === 'bound' ? awaitChange : requeue(LOOK_AGAIN_MS);
  }
  p.observe('hold', 'done');
  p.log.info({ pod: keyOf(pod), node: nodeName, plan, way: 'hold', reason: step.reason }, 'pod pinned');
  return awaitChange;
};

const rejectionReason = ({ status }: Pod): string | undefined => {
  const said = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return said?.status === 'False' && said.reason === 'Unschedulable' ? (said.message ?? '') : undefined;
};

/** kube-scheduler names the claims; which devices there are, drivers say some time after the machine is ready. */
const awaitsDevices = ({ spec }: Pod, message: string): boolean =>
  (spec.resourceClaims ?? []).length > 0 && /claim/i.test(message);

/** Tied to its node and not bound: kube-scheduler may have found what keeps it off. */
const watchLanded = async (
  p: GateContext,
  pod: Pod,
  refused: Map<string, number>,
  signal: AbortSignal,
): Promise<Action> => {
  const { state, limits } = p;
  const uid = pod.metadata.uid ?? '';
  const intent = intentOf(state, pod);
  const node = state.nodes.get(landsOn(pod) ?? '');
  if (intent && node && !isReady(node) && intent.nodeName === node.metadata.name) {
    // It was to be bound before its machine joins, and the leader ended in between.
    const step = nextGateStep(state, intent, pod);
    if (step.kind === 'land' && step.isEarly) {
      await bind(p, intent, pod, { way: 'hold', reason: step.reason }, signal);
      return requeue(LOOK_AGAIN_MS);
    }
  }
  const message = rejectionReason(pod);
  if (message === undefined) {
    refused.delete(uid);
    return requeue(LOOK_AGAIN_MS);
  }
  const since = refused.get(uid) ?? state.now();
  refused.set(uid, since);
  const limitMs = awaitsDevices(pod, message) ? limits.longestMs : limits.timeoutMs;
  const left = since + limitMs - state.now();
  if (left > 0) return requeue(Math.max(1, Math.min(left, LOOK_AGAIN_MS)));
  refused.delete(uid);
  state.assumedPods.avoid(pod.metadata.annotations?.[PIN] ?? '', state.now() + AVOID_MS);
  await replacePod(p.client, pod, signal);
  p.observe('hold', 'lost');
  const said = `kube-scheduler does not take it to ${landsOn(pod)}: ${message}`;
  p.recorder.event(PODS, pod, 'Warning', 'PinGivenUp', `replaced without a pin: ${said}`);
  p.log.warn({ pod: keyOf(pod), node: landsOn(pod), reason: message }, 'pinned pod replaced');
  return awaitChange;
};

/** Brings pods that were created behind our gate to their nodes, or lets them go. Key: 'namespace/name'. */
export const createGateController = (p: GateContext): Controller => {
  const { state } = p;
  const refused = new Map<string, number>();
  const keysOf = (intentId: string): readonly string[] => state.pods.by('pin', intentId).map(keyOf);
  return {
    name: 'pod.hold',
    sources: [
      watches(state.pods, (pod, { type }) => {
        if (type === 'delete') refused.delete(pod.metadata.uid ?? '');
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
        if (isGated(pod)) return await advanceGated(p, pod, signal);
        return isHeld(pod) ? await watchLanded(p, pod, refused, signal) : awaitChange;
      } catch (error) {
        // Somebody else was faster, or kube-scheduler wrote its status: the cache tells.
        if (isConflict(error)) return requeue(LOOK_AGAIN_MS / 10);
        if (isNotFound(error)) return awaitChange;
        throw error;
      }
    },
  };
};
