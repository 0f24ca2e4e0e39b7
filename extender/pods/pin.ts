import { isReady } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import { isOpen } from '../../api/reservation.ts';
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
import { isConflict, isNotFound } from '../../kube/errors.ts';
import { assignPendingPods, pendingPodsOf } from '../placement/allocate.ts';
import { choosePinFor } from '../placement/choosepin.ts';
import { slotsOf } from '../placement/slotcount.ts';
import { ownerUidOf, type Report, type State } from '../placement/state.ts';
import { bindPod, type ObservePin } from './bind.ts';
import { missingTolerations, nominatePod } from './nominate.ts';

const RECHECK_MS = 1_000;
/** How often pods look for a slot that may come back from a pod which was admitted without it. */
const RETURNS_CHECK_MS = 250;
/** Delay of an owner's count, so that it happens once for many of its pods. */
const COUNT_DELAY_MS = 250;

/**
 * How long a pod is nominated before it is bound to a node that kube-scheduler puts pods on, too: until it counts the
 * pod there, both may give away the same room, and the kubelet refuses the one that comes later.
 */
const NOMINATE_FIRST_MS = 2_000;

export interface PinOptions {
  readonly client: KubeClient;
  readonly state: State;
  readonly report: Report;
  readonly log: Logger;
  readonly observe: ObservePin;
}

interface PinContext extends PinOptions {
  /** Since when an intent's node is missing, by intent id, in milliseconds since the epoch; 0 once it was logged. */
  readonly missingSince: Map<string, number>;
  /** Since when pods are seen to be nominated to their pins' open nodes, by the key that is reconciled. */
  readonly nominated: Map<string, NominatedSince>;
}

/** Milliseconds since the epoch, by pod uid. */
type NominatedSince = Map<string, number>;

type Outcome = 'bound' | 'waiting' | 'nominated' | 'missing' | 'left' | 'lost';

/** Concurrent writes for the pods of one owner. */
const MAX_CONCURRENT_WRITES = 128;

/** Adds the toleration that kube-scheduler needs to put the pod on a node reserved for the plan's pods. */
const tolerate = async (
  context: PinContext,
  intent: Intent,
  pod: Pod,
  signal: AbortSignal,
): Promise<void> => {
  const node = context.state.nodes.get(intent.nodeName);
  const missing = node && isReady(node) ? missingTolerations(node, pod) : [];
  if (missing.length === 0) return;
  const { name, namespace = 'default', uid, resourceVersion } = pod.metadata;
  const tolerations = [...(pod.spec.tolerations ?? []), ...missing];
  const body = { metadata: { uid, resourceVersion }, spec: { tolerations } };
  await context.client.patch(PODS, { name, namespace }, body, { signal });
};

/** Logs a placeholder that is still missing at the second look; returns whether to look again. */
const logMissingPlaceholder = (context: PinContext, intent: Intent): boolean => {
  const { missingSince, state } = context;
  if (intent.nodeName === '' || state.nodes.get(intent.nodeName)) {
    missingSince.delete(intent.id);
    return false;
  }
  const since = missingSince.get(intent.id);
  if (since === undefined) missingSince.set(intent.id, state.now());
  else if (since > 0 && state.now() - since >= RECHECK_MS) {
    missingSince.set(intent.id, 0);
    context.log.warn(
      { node: intent.nodeName, nodeClaim: intent.nodeClaim, plan: intent.plan },
      'node placeholder not found',
    );
  }
  return since !== 0;
};

/** True while a pod has to be nominated before it is bound, so that kube-scheduler keeps its room on an open node. */
const awaitsScheduler = (state: State, since: NominatedSince, intent: Intent, pod: Pod): boolean => {
  const { uid = '' } = pod.metadata;
  const node = state.nodes.get(intent.nodeName);
  if (!node || !isOpen(node)) return false;
  if (pod.status?.nominatedNodeName !== intent.nodeName) {
    since.delete(uid);
    return true;
  }
  const at = since.get(uid) ?? state.now();
  since.set(uid, at);
  return state.now() - at < NOMINATE_FIRST_MS;
};

/** The nominations of these pods that are known under a key; those of all others are forgotten. */
const nominationsOf = ({ nominated }: PinContext, key: string, pods: readonly Pod[]): NominatedSince => {
  const known = nominated.get(key);
  const uids = new Set(pods.map(({ metadata }) => metadata.uid ?? ''));
  const kept: NominatedSince = new Map([...(known ?? [])].filter(([uid]) => uids.has(uid)));
  if (uids.size > 0) nominated.set(key, kept);
  else nominated.delete(key);
  return kept;
};

/** Advances one pending pod towards its node as far as possible now. */
const pinPod = async (
  context: PinContext,
  since: NominatedSince,
  { intent, pod }: { readonly intent: Intent; readonly pod: Pod },
  signal: AbortSignal,
): Promise<Outcome> => {
  const pin = choosePinFor(context.state, intent, pod, 'pending');
  if (pin.way === 'leave') return 'left';
  try {
    if (pin.way === 'bind' && awaitsScheduler(context.state, since, intent, pod)) {
      await nominatePod(context.client, intent, pod, signal);
      return 'nominated';
    }
    if (pin.way === 'bind')
      return await bindPod(context, intent, pod, { way: 'bind', reason: pin.reason }, signal);
    await nominatePod(context.client, intent, pod, signal);
    await tolerate(context, intent, pod, signal);
    return logMissingPlaceholder(context, intent) ? 'missing' : 'waiting';
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return 'lost';
    throw error;
  }
};

const reconcilePod = async (context: PinContext, uid: string, signal: AbortSignal): Promise<Action> => {
  const { state, report } = context;
  const intents = state.store.by('pod', uid);
  const pods = intents.flatMap(
    ({ intent: { pin } }) => state.pods.get(`${pin?.namespace}/${pin?.pod?.name}`) ?? [],
  );
  const since = nominationsOf(
    context,
    `pod/${uid}`,
    pods.filter(({ spec }) => !spec.nodeName),
  );
  for (const { intent } of intents) {
    const target = intent.pin?.pod;
    if (!target) continue;
    const pod = state.pods.get(`${intent.pin?.namespace}/${target.name}`);
    const reportResult = (result: 'BOUND' | 'REJECTED' | 'UNKNOWN', reason: string): void =>
      report(intent.id, { state: result, reason, bound: result === 'BOUND' ? 1 : 0 });
    if (!pod || pod.metadata.uid !== uid || !isLive(pod))
      reportResult('REJECTED', 'the pod no longer exists');
    else if (pod.spec.nodeName && pod.spec.nodeName === intent.nodeName) reportResult('BOUND', '');
    else if (pod.spec.nodeName) reportResult('REJECTED', `the pod is on ${pod.spec.nodeName} already`);
    else if (!state.assumedPods.has(uid)) {
      const outcome = await pinPod(context, since, { intent, pod }, signal);
      if (outcome === 'left') reportResult('REJECTED', choosePinFor(state, intent, pod, 'pending').reason);
      if (outcome === 'bound') reportResult('BOUND', '');
      if (outcome === 'lost' || outcome === 'missing' || outcome === 'nominated') return requeue(RECHECK_MS);
    }
  }
  return awaitChange;
};

const reconcileOwner = async (
  context: PinContext,
  ownerUid: string,
  signal: AbortSignal,
): Promise<Action> => {
  const { state, report } = context;
  const outcomes: Outcome[] = [];
  const pending = pendingPodsOf(state, ownerUid);
  const matches = assignPendingPods(state, ownerUid, pending);
  const isAnyWithoutSlot = pending.length > matches.length;
  const since = nominationsOf(
    context,
    `owner/${ownerUid}`,
    matches.map(({ pod }) => pod),
  );
  const next = matches.values();
  const work = async (): Promise<void> => {
    for (const match of next) outcomes.push(await pinPod(context, since, match, signal));
  };
  await Promise.all(Array.from({ length: Math.min(MAX_CONCURRENT_WRITES, matches.length) }, work));
  for (const { intent, used, count } of slotsOf(state, ownerUid)) {
    const closed = used < count ? state.refusals.closedReason(intent.nodeName) : undefined;
    const result = used >= count ? 'BOUND' : used > 0 ? 'PARTLY_BOUND' : 'UNKNOWN';
    report(intent.id, { state: closed ? 'REJECTED' : result, reason: closed ?? '', bound: used });
  }
  const isDueAgain = outcomes.some((each) => each === 'lost' || each === 'missing' || each === 'nominated');
  if (isDueAgain) return requeue(RECHECK_MS);
  const expiry = state.store.by('owner', ownerUid).length > 0 ? state.assumedPods.nextExpiry() : undefined;
  if (expiry === undefined) return awaitChange;
  const untilExpiry = Math.max(1, expiry - state.now());
  return requeue(isAnyWithoutSlot ? Math.min(untilExpiry, RETURNS_CHECK_MS) : untilExpiry);
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

/** Whether a pod has its node, or does not exist any more. */
const isBoundOrDeleted = ({ spec }: Pod, type: Change<Pod>['type']): boolean =>
  type === 'delete' || spec.nodeName !== undefined;

/** Puts pending pods on the nodes that plans have for them. Key: 'pod/<uid>' or 'owner/<uid>'. */
export const createPinController = (options: PinOptions): Controller => {
  const context: PinContext = {
    ...options,
    missingSince: new Map(),
    nominated: new Map(),
  };
  const { state } = context;
  return {
    name: 'pod.pin',
    sources: [
      watches(state.store, ({ intent }) => [
        ...keyOfIntent(intent),
        ...(intent.node ? keysOfNode(state, intent.nodeName) : []),
      ]),
      watches(state.nodes, ({ metadata }) => keysOfNode(state, metadata.name)),
      watches(state.pods, (pod, { type }) => (isBoundOrDeleted(pod, type) ? [] : keysOfPod(state, pod))),
      // These pods need no pin; they are only counted, many at once while a workload moves.
      watches(
        state.pods,
        (pod, { type }) => [
          ...(isBoundOrDeleted(pod, type) ? keysOfPod(state, pod) : []),
          // A deleted pod frees room for pods that wait for its node.
          ...(type === 'delete' ? keysOfNode(state, pod.spec.nodeName) : []),
        ],
        { gatherMs: COUNT_DELAY_MS },
      ),
    ],
    reconcile: async (key, signal) => {
      const at = key.indexOf('/');
      const uid = key.slice(at + 1);
      return key.startsWith('pod/')
        ? reconcilePod(context, uid, signal)
        : reconcileOwner(context, uid, signal);
    },
  };
};
