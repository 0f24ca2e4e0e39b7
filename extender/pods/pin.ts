import { PREPARING_TAINT } from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import { PODS } from '../../api/resources.ts';
import type { Change } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import {
  type Action,
  awaitChange,
  type Controller,
  requeue,
  watches,
} from '../../kube/controller/controller.ts';
import { isConflict, isNotFound, KubeError } from '../../kube/errors.ts';
import { assignPendingPods } from '../placement/allocate.ts';
import { choosePinFor } from '../placement/choosepin.ts';
import { slotsOf } from '../placement/slotcount.ts';
import { ownerUidOf, type Report, type State } from '../placement/state.ts';
import { bindPod } from './bind.ts';

/** A binding that the pod cache has not shown by then is looked at again. */
const BIND_MS = 30_000;
const LOOK_AGAIN_MS = 1_000;
/** What became of an owner's pods is told this late, so that it is counted once for many of them. */
const GATHER_MS = 250;

interface PinContext {
  readonly client: KubeClient;
  readonly state: State;
  readonly report: Report;
  readonly log: Logger;
  /** Told how each pin went, for metrics: the way, and how many milliseconds after the pod was created. */
  readonly observe: (way: string, outcome: 'done' | 'lost') => void;
  /** Since when the node of an intent, by id, has been looked for in vain, in milliseconds since the epoch. */
  readonly missing: Map<string, number>;
}

type Outcome = 'bound' | 'waiting' | 'missing' | 'left' | 'lost';

/** Writes under way at once for the pods of one owner. */
const MAX_CONCURRENT_WRITES = 128;

const refOf = ({ metadata }: Pod) => ({ name: metadata.name, namespace: metadata.namespace ?? 'default' });

/** kube-scheduler was faster. The API server calls it invalid (422), and only its words say why. */
const isBoundMeanwhile = (error: unknown): error is KubeError =>
  error instanceof KubeError && error.status === 422 && error.message.includes('already bound to a node');

/** Keeps Karpenter and kube-scheduler from finding the pod another place; any name keeps Karpenter off. */
export const nominate = async (
  p: Pick<PinContext, 'client'>,
  intent: Intent,
  pod: Pod,
  signal: AbortSignal,
): Promise<void> => {
  const nominatedNodeName = intent.nodeName || intent.nodeClaim;
  if (nominatedNodeName === '' || pod.status?.nominatedNodeName === nominatedNodeName) return;
  const { uid } = pod.metadata;
  const body = { metadata: { ...(uid ? { uid } : {}) }, status: { nominatedNodeName } };
  try {
    await p.client.patch(PODS, refOf(pod), body, { subresource: 'status', signal });
  } catch (error) {
    if (!isBoundMeanwhile(error)) throw error;
    throw new KubeError(error.message, { kind: 'conflict', cause: error });
  }
};

/** Lets kube-scheduler put a pod on a node that we keep free for the plan's pods. */
const tolerate = async (p: PinContext, intent: Intent, pod: Pod, signal: AbortSignal): Promise<void> => {
  const node = p.state.nodes.get(intent.nodeName);
  if (!node || !isReady(node) || !node.spec?.taints?.some(({ key }) => key === PREPARING_TAINT)) return;
  const there = pod.spec.tolerations ?? [];
  if (there.some(({ key }) => key === PREPARING_TAINT)) return;
  const { uid, resourceVersion } = pod.metadata;
  const tolerations = [...there, { key: PREPARING_TAINT, operator: 'Exists', effect: 'NoSchedule' }];
  await p.client.patch(
    PODS,
    refOf(pod),
    { metadata: { uid, resourceVersion }, spec: { tolerations } },
    { signal },
  );
};

/** Binds a pod to the node of its intent, and holds its room until the pod cache shows it there. */
export const bind = async (
  p: Pick<PinContext, 'client' | 'state' | 'log' | 'observe'>,
  intent: Intent,
  pod: Pod,
  { way, reason }: { readonly way: 'bind' | 'hold'; readonly reason: string },
  signal: AbortSignal,
): Promise<'bound' | 'lost'> => {
  const { assumedPods, now } = p.state;
  const uid = pod.metadata.uid ?? '';
  const assumed = {
    uid,
    nodeName: intent.nodeName,
    intentId: intent.id,
    ownerUid: ownerUidOf(pod),
    pod,
    isGrant: false,
    until: now() + BIND_MS,
  };
  assumedPods.assume(assumed);
  try {
    await bindPod(p.client, pod, intent.nodeName, intent.id, signal);
  } catch (error) {
    assumedPods.forget(uid);
    if (!isConflict(error) && !isNotFound(error)) throw error;
    p.observe(way, 'lost');
    return 'lost';
  }
  p.observe(way, 'done');
  p.log.info({ ...refOf(pod), node: intent.nodeName, plan: intent.plan, way, reason }, 'pod pinned');
  return 'bound';
};

/** A placeholder is made in a moment: only one that is still not there at the second look is worth a line. */
const logMissingPlaceholder = (p: PinContext, intent: Intent): boolean => {
  const { missing, state } = p;
  if (intent.nodeName === '' || state.nodes.get(intent.nodeName)) {
    missing.delete(intent.id);
    return false;
  }
  const since = missing.get(intent.id);
  if (since === undefined) missing.set(intent.id, state.now());
  else if (since > 0 && state.now() - since >= LOOK_AGAIN_MS) {
    missing.set(intent.id, 0);
    p.log.warn(
      { node: intent.nodeName, nodeClaim: intent.nodeClaim, plan: intent.plan },
      'node placeholder not found',
    );
  }
  return since !== 0;
};

/** Brings one pending pod as far towards its node as can be done now. */
const pinOne = async (p: PinContext, intent: Intent, pod: Pod, signal: AbortSignal): Promise<Outcome> => {
  const pin = choosePinFor(p.state, intent, pod, 'pending');
  if (pin.way === 'leave') return 'left';
  try {
    if (pin.way === 'bind') return await bind(p, intent, pod, { way: 'bind', reason: pin.reason }, signal);
    await nominate(p, intent, pod, signal);
    await tolerate(p, intent, pod, signal);
    return logMissingPlaceholder(p, intent) ? 'missing' : 'waiting';
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return 'lost';
    throw error;
  }
};

const pinPod = async (p: PinContext, uid: string, signal: AbortSignal): Promise<Action> => {
  const { state, report } = p;
  for (const { intent } of state.store.by('pod', uid)) {
    const target = intent.pin?.pod;
    if (!target) continue;
    const pod = state.pods.get(`${intent.pin?.namespace}/${target.name}`);
    const tell = (result: 'BOUND' | 'REJECTED' | 'UNKNOWN', reason: string): void =>
      report(intent.id, { state: result, reason, bound: result === 'BOUND' ? 1 : 0 });
    if (!pod || pod.metadata.uid !== uid || !isLive(pod)) tell('REJECTED', 'the pod is gone');
    else if (pod.spec.nodeName && pod.spec.nodeName === intent.nodeName) tell('BOUND', '');
    else if (pod.spec.nodeName) tell('REJECTED', `the pod is on ${pod.spec.nodeName} already`);
    else if (!state.assumedPods.has(uid)) {
      const outcome = await pinOne(p, intent, pod, signal);
      if (outcome === 'left') tell('REJECTED', choosePinFor(state, intent, pod, 'pending').reason);
      if (outcome === 'bound') tell('BOUND', '');
      if (outcome === 'lost' || outcome === 'missing') return requeue(LOOK_AGAIN_MS);
    }
  }
  return awaitChange;
};

const pinOwner = async (p: PinContext, ownerUid: string, signal: AbortSignal): Promise<Action> => {
  const { state, report } = p;
  const outcomes: Outcome[] = [];
  const matches = assignPendingPods(state, ownerUid);
  const next = matches.values();
  const work = async (): Promise<void> => {
    for (const { pod, intent } of next) outcomes.push(await pinOne(p, intent, pod, signal));
  };
  await Promise.all(Array.from({ length: Math.min(MAX_CONCURRENT_WRITES, matches.length) }, work));
  for (const { intent, used, count } of slotsOf(state, ownerUid)) {
    const result = used >= count ? 'BOUND' : used > 0 ? 'PARTLY_BOUND' : 'UNKNOWN';
    report(intent.id, { state: result, reason: '', bound: used });
  }
  if (outcomes.includes('lost') || outcomes.includes('missing')) return requeue(LOOK_AGAIN_MS);
  const expiry = state.store.by('owner', ownerUid).length > 0 ? state.assumedPods.nextExpiry() : undefined;
  return expiry === undefined ? awaitChange : requeue(Math.max(1, expiry - state.now()));
};

const keyOfIntent = ({ pin }: Intent): readonly string[] => {
  if (pin?.pod) return [`pod/${pin.pod.uid}`];
  if (pin?.owner) return [`owner/${pin.owner.uid}`];
  return [];
};

const keysOfNode = (state: State, name: string | undefined): readonly string[] =>
  name ? state.store.by('node', name).flatMap(({ intent }) => keyOfIntent(intent)) : [];

const keysOfPod = (state: State, pod: Pod): readonly string[] => {
  const uid = pod.metadata.uid ?? '';
  const owner = ownerUidOf(pod);
  return [
    ...(state.store.by('pod', uid).length > 0 ? [`pod/${uid}`] : []),
    ...(state.store.by('owner', owner).length > 0 ? [`owner/${owner}`] : []),
  ];
};

/** Whether a pod has its node, or is no more. */
const isSettled = ({ spec }: Pod, type: Change<Pod>['type']): boolean =>
  type === 'delete' || spec.nodeName !== undefined;

/** Puts pods on the nodes that the plan has for them. Key: 'pod/<uid>' or 'owner/<uid>'. */
export const createPinController = (p: PinContext): Controller => {
  const { state } = p;
  return {
    name: 'pod.pin',
    sources: [
      watches(state.store, ({ intent }) => [
        ...keyOfIntent(intent),
        ...(intent.node ? keysOfNode(state, intent.nodeName) : []),
      ]),
      watches(state.nodes, ({ metadata }) => keysOfNode(state, metadata.name)),
      watches(state.pods, (pod, { type }) => (isSettled(pod, type) ? [] : keysOfPod(state, pod))),
      // Nobody is pinned for these: they are counted, many at once where a workload is on the move.
      watches(
        state.pods,
        (pod, { type }) => [
          ...(isSettled(pod, type) ? keysOfPod(state, pod) : []),
          // Room came free: whoever waits for this node may go there now.
          ...(type === 'delete' ? keysOfNode(state, pod.spec.nodeName) : []),
        ],
        { gatherMs: GATHER_MS },
      ),
    ],
    reconcile: async (key, signal) => {
      const at = key.indexOf('/');
      const uid = key.slice(at + 1);
      return key.startsWith('pod/') ? pinPod(p, uid, signal) : pinOwner(p, uid, signal);
    },
  };
};
