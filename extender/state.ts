import { PIN_GATE, PREPARING_TAINT } from '../api/labels.ts';
import type { Node, Pod } from '../api/objects.ts';
import type { Intent, ResultState } from '../api/pinning.ts';
import type { Cache } from '../kube/cache.ts';
import { type NodeView, nodeView } from '../planner/fit.ts';
import { choosePin, type Pin } from '../planner/pin.ts';
import type { IntentStore } from './intents.ts';
import type { Ledger } from './ledger.ts';
import { hasJoined, isReady } from './placeholder.ts';

/** What the leader knows: the intents, the cluster, and what it gave away a moment ago. */
export interface State {
  readonly store: IntentStore;
  readonly pods: Cache<Pod>;
  readonly nodes: Cache<Node>;
  readonly ledger: Ledger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Tells the autoscaler what became of an intent. */
export type Report = (
  intentId: string,
  result: { readonly state: ResultState; readonly reason: string; readonly bound: number },
) => void;

const OWN_TAINTS: ReadonlySet<string> = new Set([PREPARING_TAINT]);

export const hasFinished = (pod: Pod): boolean =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Whether a pod counts for its owner: neither terminating nor finished. */
export const isLive = (pod: Pod): boolean => !pod.metadata.deletionTimestamp && !hasFinished(pod);

export const ownerUidOf = (pod: Pod): string =>
  pod.metadata.ownerReferences?.find(({ controller }) => controller)?.uid ?? '';

/** The node as the next pod finds it: pods on it, and pods promised to it that nobody can see yet. */
export const viewOf = (state: State, node: Node): NodeView => {
  const { name } = node.metadata;
  const there = state.pods.by('node', name);
  const seen = new Set(there.map((pod) => pod.metadata.uid));
  const promised = state.ledger.onNode(name).filter(({ uid }) => !seen.has(uid));
  return nodeView(node, [...there, ...promised.map(({ pod }) => pod)]);
};

/** Why nothing may be put on the node of an intent just now, or null. */
export const closedFor = (state: State, intent: Intent): string | null => {
  if (intent.nodeName === '') return 'its node has no name yet';
  const node = state.nodes.get(intent.nodeName);
  if (!node) return 'its node does not stand yet';
  if (node.metadata.deletionTimestamp) return 'its node is being deleted';
  for (const { intent: other } of state.store.by('node', intent.nodeName)) {
    if (!other.node) continue;
    const { providerId, joinDeadlineMs } = other.node;
    if (node.spec?.providerID && providerId && node.spec.providerID !== providerId) {
      return 'a Node of that name belongs to another machine';
    }
    if (joinDeadlineMs > 0 && state.now() >= joinDeadlineMs && !node.status?.nodeInfo?.kubeletVersion) {
      return 'its machine did not join in time';
    }
  }
  return null;
};

/** How a pod is pinned to the node of an intent as things stand. */
export const chooseFor = (state: State, intent: Intent, pod: Pod, at: 'admission' | 'pending'): Pin => {
  const closed = closedFor(state, intent);
  const node = closed ? undefined : state.nodes.get(intent.nodeName);
  const pin = choosePin({
    pod,
    node: node && viewOf(state, node),
    isReady: node !== undefined && isReady(node),
    at,
    ownTaints: OWN_TAINTS,
    gate: PIN_GATE,
  });
  return closed && pin.way !== 'leave' ? { ...pin, reason: closed } : pin;
};

/** Whether the node of that name stands and its kubelet has joined. */
export const hasJoinedName = (state: State, name: string): boolean => {
  const node = state.nodes.get(name);
  return node !== undefined && hasJoined(node);
};
