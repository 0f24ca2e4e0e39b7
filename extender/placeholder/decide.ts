import {
  JOIN_DEADLINE,
  NODE_CLAIM,
  NOT_READY,
  PLACEHOLDER,
  PREPARING_TAINT,
  UNSCHEDULABLE,
} from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Node, Pod, Taint } from '../../api/objects.ts';
import type { Intent, NodeIntent, ResultState } from '../../api/pinning.ts';
import { isOfDaemonSet } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { isOpenToDaemonSets, isReserved } from '../../api/reservation.ts';
import { withoutCordon } from '../../kube/undo/nodemarks.ts';

/** Age up to which a node that its kubelet created may be reserved, while nothing runs on it. */
const YOUNG_MS = 120_000;

/** What the API server says of a NodeClaim; `unknown` while it does not answer, or not to us. */
export interface ClaimAnswer {
  readonly state: 'there' | 'gone' | 'unknown';
  readonly reason: string;
}

export interface PlaceholderFacts {
  readonly name: string;
  readonly intent: Intent | undefined;
  readonly node: Node | undefined;
  /** Pods on the node. */
  readonly pods: readonly Pod[];
  /** Whether pin intents name this node. */
  readonly hasPins: boolean;
  /** Whether the Node was there since these intents came, or just before. */
  readonly wasThere?: boolean;
  /** What became of the NodeClaim of a machine that has not joined; undefined where none is asked for. */
  readonly claim?: ClaimAnswer;
  /** Whether a full state has arrived; before that, a missing intent means nothing. */
  readonly hasFullState: boolean;
  /** Whether pinning is off: a missing intent is final then, and nothing new is created. */
  readonly isDisabled: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface NodePatch {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string | null>>;
    readonly annotations?: Readonly<Record<string, string | null>>;
  };
  readonly spec?: {
    readonly providerID?: string;
    readonly unschedulable?: null;
    readonly taints?: readonly Taint[];
  };
}

/** The next step for one node name; `state` is the result that the autoscaler gets. */
export type PlaceholderStep =
  | { readonly kind: 'create'; readonly node: Node; readonly state: ResultState; readonly reason: string }
  | {
      readonly kind: 'patch';
      readonly patch: NodePatch;
      readonly hasJoined: boolean;
      readonly state: ResultState;
      readonly reason: string;
    }
  | { readonly kind: 'keep'; readonly until: number; readonly state: ResultState; readonly reason: string }
  | { readonly kind: 'delete'; readonly state: ResultState; readonly reason: string }
  | { readonly kind: 'delete-pods'; readonly state: ResultState; readonly reason: string }
  /** Forgets the intents of this node, whose source does not withdraw them. */
  | { readonly kind: 'drop-intents'; readonly state: ResultState; readonly reason: string }
  | { readonly kind: 'wait'; readonly state: ResultState; readonly reason: string }
  | { readonly kind: 'none'; readonly state: ResultState; readonly reason: string };

export const isPlaceholder = (node: Node): boolean => node.metadata.labels?.[PLACEHOLDER] !== undefined;

const isBasicResource = (resource: string): boolean =>
  ['cpu', 'memory', 'ephemeral-storage', 'pods'].includes(resource);

// Devices are reset to zero when a kubelet takes over the Node, and counted anew.
const withoutDevices = (list: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(list).filter(([resource]) => isBasicResource(resource)));

const toTaint = ({ key, value, effect }: NodeIntent['taints'][number]): Taint => ({
  key,
  ...(value && { value }),
  effect: effect as Taint['effect'],
});

const annotationsOf = (intent: Intent, node: NodeIntent): Record<string, string> => ({
  ...node.annotations,
  [NODE_CLAIM]: intent.nodeClaim,
  ...(node.joinDeadlineMs > 0 && { [JOIN_DEADLINE]: new Date(node.joinDeadlineMs).toISOString() }),
});

const startsNotReady = (node: NodeIntent): boolean => node.taints.some(({ key }) => key === NOT_READY);

// The node lifecycle controller keeps the not-ready taint only while the Ready condition is False; a Node without the
// condition loses it.
const NOT_JOINED = {
  type: 'Ready',
  status: 'False',
  reason: 'MachineOnItsWay',
  message: 'the machine of this node has not joined',
} as const;

/** The Node for a machine that has not joined. */
export const placeholderOf = (intent: Intent, node: NodeIntent): Node => ({
  metadata: {
    name: intent.nodeName,
    labels: { ...node.labels, [PLACEHOLDER]: 'true' },
    annotations: annotationsOf(intent, node),
  },
  spec: { providerID: node.providerId, taints: node.taints.map(toTaint) },
  status: {
    capacity: withoutDevices(node.capacity),
    allocatable: withoutDevices(node.allocatable),
    ...(startsNotReady(node) && { conditions: [NOT_JOINED] }),
  },
});

const hasKeys = (object: object): boolean => Object.keys(object).length > 0;

const missingEntries = (
  wanted: Readonly<Record<string, string>>,
  present: Readonly<Record<string, string>> | undefined,
): Record<string, string> =>
  Object.fromEntries(Object.entries(wanted).filter(([key]) => valueAt(present, key) === undefined));

const isSameTaint = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;

/** A node that its kubelet created first may be reserved only while no pods but daemons are on it. */
const canReserve = ({ node, pods, now }: PlaceholderFacts): boolean => {
  const createdAt = Date.parse(node?.metadata.creationTimestamp ?? '');
  return now - createdAt < YOUNG_MS && pods.every(isOfDaemonSet);
};

/** The labels, annotations, taints and providerID that a node lacks; undefined when it lacks none. */
const missingPatch = (
  facts: PlaceholderFacts,
  intent: Intent,
  wanted: NodeIntent,
  node: Node,
): NodePatch | undefined => {
  const isJoined = hasJoined(node);
  const isOurs = isPlaceholder(node);
  const labels: Record<string, string | null> = missingEntries(wanted.labels, node.metadata.labels);
  if (isOurs && isJoined) labels[PLACEHOLDER] = null;
  const annotations = missingEntries(annotationsOf(intent, wanted), node.metadata.annotations);
  const isMarked = node.metadata.annotations?.[NODE_CLAIM] !== undefined;
  const taints = node.spec?.taints ?? [];
  const reservations = wanted.taints
    .map(toTaint)
    .filter(
      ({ key }) => key === PREPARING_TAINT && !isMarked && !isOpenToDaemonSets(node) && canReserve(facts),
    )
    .filter((taint) => !taints.some((present) => isSameTaint(present, taint)));
  const providerID = node.spec?.providerID ? undefined : wanted.providerId;
  const metadata = {
    ...(hasKeys(labels) && { labels }),
    ...(hasKeys(annotations) && { annotations }),
  };
  const spec = {
    ...(providerID && { providerID }),
    ...(reservations.length > 0 && { taints: [...taints, ...reservations] }),
  };
  if (!hasKeys(metadata) && !hasKeys(spec)) return undefined;
  return { ...(hasKeys(metadata) && { metadata }), ...(hasKeys(spec) && { spec }) };
};

const decideWithIntent = (facts: PlaceholderFacts, intent: Intent, wanted: NodeIntent): PlaceholderStep => {
  const { node, now } = facts;
  const isLate = wanted.joinDeadlineMs > 0 && now >= wanted.joinDeadlineMs;
  if (!node) {
    if (isLate) return { kind: 'delete-pods', state: 'GIVEN_UP', reason: 'the machine did not join in time' };
    if (facts.claim?.state === 'unknown')
      return { kind: 'wait', state: 'UNKNOWN', reason: facts.claim.reason };
    return {
      kind: 'create',
      node: placeholderOf(intent, wanted),
      state: 'PLACED',
      reason: 'its machine is on the way',
    };
  }
  const { providerID } = node.spec ?? {};
  if (providerID && providerID !== wanted.providerId) {
    if (isPlaceholder(node) && !hasJoined(node)) {
      return { kind: 'delete', state: 'UNKNOWN', reason: `it belongs to another machine, ${providerID}` };
    }
    const reason = `a Node of the same name belongs to another machine, ${providerID}`;
    return { kind: 'wait', state: 'REJECTED', reason };
  }
  if (node.metadata.deletionTimestamp) {
    if (hasJoined(node)) return { kind: 'wait', state: 'JOINED', reason: 'the node is being deleted' };
    return { kind: 'delete', state: 'GIVEN_UP', reason: 'its Node is being deleted' };
  }
  const patch = missingPatch(facts, intent, wanted, node);
  if (hasJoined(node)) {
    const state = 'JOINED' as const;
    if (patch) return { kind: 'patch', patch, hasJoined: true, state, reason: 'its machine has joined' };
    return { kind: 'none', state, reason: 'its machine has joined' };
  }
  if (!isPlaceholder(node)) {
    if (patch)
      return {
        kind: 'patch',
        patch,
        hasJoined: false,
        state: 'PLACED',
        reason: 'the Node lacks data of its intent',
      };
    return { kind: 'none', state: 'PLACED', reason: 'the Node was not created by us' };
  }
  if (isLate) return { kind: 'delete', state: 'GIVEN_UP', reason: 'the machine did not join in time' };
  if (patch)
    return {
      kind: 'patch',
      patch,
      hasJoined: false,
      state: 'PLACED',
      reason: 'the Node lacks data of its intent',
    };
  return {
    kind: 'keep',
    until: wanted.joinDeadlineMs || Number.POSITIVE_INFINITY,
    state: 'PLACED',
    reason: 'its machine is on the way',
  };
};

/** The patch that opens a reserved node to everyone; a cordon that was there before stays. */
const unreserved = (node: Node): NodePatch => {
  const cordon = isOpenToDaemonSets(node) ? withoutCordon(node) : undefined;
  const ours = new Set([PREPARING_TAINT, ...(cordon?.isOpened ? [UNSCHEDULABLE] : [])]);
  const taints = (node.spec?.taints ?? []).filter(({ key }) => !ours.has(key));
  return {
    ...(cordon && { metadata: { annotations: cordon.annotations } }),
    spec: { ...(cordon?.isOpened && { unschedulable: null }), taints },
  };
};

const nothing = (reason: string): PlaceholderStep => ({ kind: 'none', state: 'UNKNOWN', reason });

const decideWithoutIntent = (facts: PlaceholderFacts): PlaceholderStep => {
  const { node, now, claim } = facts;
  const isFinal = facts.hasFullState || facts.isDisabled || claim?.state === 'gone';
  if (!node) {
    const reason = 'its Node no longer exists';
    if (facts.hasPins && facts.wasThere) return { kind: 'drop-intents', state: 'UNKNOWN', reason };
    if (!isFinal || facts.hasPins) return nothing('no Node and no intent has this name');
    return { kind: 'delete-pods', state: 'UNKNOWN', reason };
  }
  if (isPlaceholder(node) && hasJoined(node)) {
    const patch: NodePatch = { metadata: { labels: { [PLACEHOLDER]: null } } };
    return { kind: 'patch', patch, hasJoined: true, state: 'UNKNOWN', reason: 'its machine has joined' };
  }
  if (isPlaceholder(node)) {
    const deadline = Date.parse(node.metadata.annotations?.[JOIN_DEADLINE] ?? '');
    if (deadline <= now) {
      return { kind: 'delete', state: 'UNKNOWN', reason: 'the machine did not join in time' };
    }
    if (claim?.state === 'gone') return { kind: 'delete', state: 'UNKNOWN', reason: claim.reason };
    if (facts.hasFullState) return { kind: 'delete', state: 'UNKNOWN', reason: 'no plan needs it any more' };
    const until = Number.isNaN(deadline) ? Number.POSITIVE_INFINITY : deadline;
    // Karpenter terminates a machine whose Node is deleted, so the placeholder stays until the machine joins.
    const reason = facts.isDisabled
      ? 'pod pinning is off, but its machine may still join'
      : 'the autoscaler has not sent its state yet';
    return { kind: 'keep', until, state: 'UNKNOWN', reason };
  }
  const isOurs = node.metadata.annotations?.[NODE_CLAIM] !== undefined;
  if (isOurs && (facts.hasFullState || facts.isDisabled) && !facts.hasPins && isReserved(node)) {
    return {
      kind: 'patch',
      patch: unreserved(node),
      hasJoined: true,
      state: 'UNKNOWN',
      reason: 'no plan reserves it any more',
    };
  }
  return nothing('the Node is not ours');
};

/** The next step for one node name. It deletes only Nodes with our label, and never one whose kubelet has joined. */
export const decidePlaceholder = (facts: PlaceholderFacts): PlaceholderStep => {
  const wanted = facts.intent?.node;
  if (facts.intent && facts.claim?.state === 'gone')
    return { kind: 'drop-intents', state: 'GIVEN_UP', reason: facts.claim.reason };
  return facts.intent && wanted && wanted.providerId !== ''
    ? decideWithIntent(facts, facts.intent, wanted)
    : decideWithoutIntent(facts);
};
