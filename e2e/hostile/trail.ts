import { KARPENTER_UNREGISTERED_TAINT, PREPARING_TAINT, REMOVAL_DISABLED } from '../../api/labels.ts';
import type { KubeObject, Node, Pod } from '../../api/objects.ts';
import { controllerOf, podName } from '../../api/pods.ts';
import { isProtected } from '../../planner/cluster/donotdisrupt.ts';
import { matchesNodeAffinity } from '../../planner/scheduling/nodeaffinity.ts';
import { untoleratedTaint } from '../../planner/scheduling/tainttoleration.ts';
import type { AuditEvent } from './auditlog.ts';

/** What the audit log shows that must never happen, one line each. */

const OURS = /^system:serviceaccount:castai-agent:/;
/** A binding may miss a change of its node that came this shortly before, as one of kube-scheduler may. */
const NEWS_MS = 10_000;
const COMING = /^node\.(kubernetes|cloudprovider\.kubernetes)\.io\//;

interface Version<T> {
  readonly at: string;
  readonly object: T;
}

type History<T> = Map<string, Version<T>[]>;

const keyOf = ({ objectRef }: AuditEvent): string => `${objectRef?.namespace ?? ''}/${objectRef?.name ?? ''}`;

const historyOf = <T extends KubeObject>(events: readonly AuditEvent[], resource: string): History<T> => {
  const history: History<T> = new Map();
  for (const { objectRef, responseObject, stageTimestamp } of events) {
    if (objectRef?.resource !== resource || !responseObject?.metadata?.uid) continue;
    if (objectRef.subresource !== undefined) continue;
    const { namespace = '', name } = responseObject.metadata;
    const key = `${namespace}/${name}`;
    const versions = history.get(key) ?? [];
    versions.push({ at: stageTimestamp, object: responseObject as unknown as T });
    history.set(key, versions);
  }
  return history;
};

const before = <T>(versions: readonly Version<T>[] = [], at: string): T | undefined =>
  versions.findLast((version) => version.at < at)?.object;

/** The states of an object in the last seconds before a moment. */
const recent = <T>(versions: readonly Version<T>[] = [], at: string): readonly T[] => {
  const since = Date.parse(at) - NEWS_MS;
  const known = versions.filter((version) => version.at < at);
  const old = known.findLast((version) => Date.parse(version.at) < since);
  return [...(old ? [old] : []), ...known.filter((version) => Date.parse(version.at) >= since)].map(
    ({ object }) => object,
  );
};

const ruledOut = (pod: Pod, node: Node): string | undefined => {
  if (!matchesNodeAffinity(pod, node.metadata.labels ?? {}, node.metadata.name)) return 'its selector';
  const lasting = (node.spec?.taints ?? []).filter(
    ({ key }) => !COMING.test(key) && key !== KARPENTER_UNREGISTERED_TAINT && key !== PREPARING_TAINT,
  );
  const taint = untoleratedTaint(lasting, pod.spec.tolerations);
  return taint && `taint ${taint.key}`;
};

interface Histories {
  readonly pods: History<Pod>;
  readonly nodes: History<Node>;
}

const checkPlace = (
  event: AuditEvent,
  target: string,
  pod: Pod | undefined,
  { nodes }: Histories,
): string | undefined => {
  const at = event.requestReceivedTimestamp;
  const states = recent(nodes.get(`/${target}`), at);
  if (!pod || states.length === 0) return undefined;
  const reasons = states.map((node) => ruledOut(pod, node));
  return reasons.every((reason) => reason !== undefined)
    ? `1: pod ${podName(pod)} was bound to ${target}, which ${reasons.at(-1)} rules out`
    : undefined;
};

const checkBinding = (event: AuditEvent, histories: Histories): string | undefined => {
  const { target } = (event.requestObject ?? {}) as { readonly target?: { readonly name?: string } };
  const pod = before(histories.pods.get(keyOf(event)), event.requestReceivedTimestamp);
  return checkPlace(event, target?.name ?? '', pod, histories);
};

/** The pod that a request made with a node in its spec: only our webhook writes one there. */
const assignedPod = ({ verb, objectRef, responseObject }: AuditEvent): Pod | undefined => {
  if (verb !== 'create' || objectRef?.subresource !== undefined) return undefined;
  const pod = responseObject as unknown as Pod | undefined;
  return pod?.spec?.nodeName ? pod : undefined;
};

const checkAssigned = (event: AuditEvent, histories: Histories): string | undefined => {
  const pod = assignedPod(event);
  return pod && checkPlace(event, pod.spec.nodeName ?? '', pod, histories);
};

const checkEviction = (event: AuditEvent, { pods }: Histories): string | undefined => {
  const pod = before(pods.get(keyOf(event)), event.requestReceivedTimestamp);
  if (!pod) return undefined;
  const { labels, annotations } = pod.metadata;
  const say = (why: string) => `5: pod ${keyOf(event)} was evicted at ${event.stageTimestamp}, though ${why}`;
  if (!controllerOf(pod)) return say('it is bare');
  if (isProtected(pod, Date.parse(event.requestReceivedTimestamp))) return say('it is do-not-disrupt');
  const isKept = labels?.[REMOVAL_DISABLED] === 'true' || annotations?.[REMOVAL_DISABLED] === 'true';
  return isKept ? say('its removal is disabled') : undefined;
};

const checkDeletion = (event: AuditEvent, { pods }: Histories): string | undefined => {
  const earlier = before(pods.get(keyOf(event)), event.requestReceivedTimestamp);
  const last = event.responseObject as unknown as Pod | undefined;
  const say = (why: string) => `5: ${event.user.username} deleted pod ${keyOf(event)}, which ${why}`;
  if (earlier?.metadata.deletionTimestamp) return undefined;
  if (last?.status?.phase === 'Running') return say('ran');
  return earlier && !controllerOf(earlier) ? say('is bare') : undefined;
};

/** Pods that were bound more often than once, by uid. */
const boundTwice = (bindings: readonly AuditEvent[], { pods }: Histories): readonly string[] => {
  const seen = new Map<string, number>();
  for (const event of bindings) {
    const uid = before(pods.get(keyOf(event)), event.requestReceivedTimestamp)?.metadata.uid;
    if (uid) seen.set(uid, (seen.get(uid) ?? 0) + 1);
  }
  return [...seen].filter(([, times]) => times > 1).map(([uid]) => `1: pod ${uid} was bound twice`);
};

export interface Trail {
  readonly violations: readonly string[];
  /** Pods that we bound, or made on their node. */
  readonly placed: number;
  readonly evictions: number;
}

/** Judges all writes to pods of one namespace. */
export const judge = (events: readonly AuditEvent[], namespace: string): Trail => {
  const histories: Histories = {
    pods: historyOf<Pod>(events, 'pods'),
    nodes: historyOf<Node>(events, 'nodes'),
  };
  const ofPods = events.filter(
    (e) => e.objectRef?.resource === 'pods' && e.objectRef.namespace === namespace,
  );
  const bindings = ofPods.filter((e) => e.objectRef?.subresource === 'binding');
  const ours = ofPods.filter((e) => OURS.test(e.user.username));
  const ourBindings = ours.filter((e) => e.objectRef?.subresource === 'binding');
  const evictions = ours.filter((e) => e.objectRef?.subresource === 'eviction');
  const deletions = ours.filter((e) => e.verb === 'delete' && e.objectRef?.subresource === undefined);
  return {
    violations: [
      ...boundTwice(bindings, histories),
      ...ourBindings.flatMap((event) => checkBinding(event, histories) ?? []),
      ...ofPods.flatMap((event) => checkAssigned(event, histories) ?? []),
      ...evictions.flatMap((event) => checkEviction(event, histories) ?? []),
      ...deletions.flatMap((event) => checkDeletion(event, histories) ?? []),
    ],
    placed: ourBindings.length + ofPods.filter(assignedPod).length,
    evictions: evictions.length,
  };
};
