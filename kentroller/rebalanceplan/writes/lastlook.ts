import { hasJoined } from '../../../api/nodes.ts';
import type { Pod } from '../../../api/objects.ts';
import { isDrainable, isTerminating, isUnused } from '../../../api/pods.ts';
import { NODE_CLAIMS, NODES, PODS, REPLICA_SETS } from '../../../api/resources.ts';
import { getOrUndefined } from '../../../kube/ignore.ts';
import { namespaceOf } from '../../../planner/scheduling/interpodaffinity.ts';
import { readNode } from '../../freshnode.ts';
import { isReserved } from '../create/nodeclaim.ts';
import { blockersOf, podBlocker } from '../drain/protection.ts';
import { isPartner } from '../state/evictionrules.ts';
import type { ExecutionState } from '../state/state.ts';
import { type SurgeRecord, surgeRecordOf } from '../state/surgerecord.ts';
import type { Owner } from './nodes.ts';
import type { Writer } from './writer.ts';

/**
 * The last look before a write that can't be undone: at the API server, since a cache may be behind a user's hand. What
 * it finds is left to the next pass, which decides with it.
 */

type Looking = Pick<Writer, 'client' | 'signal'>;
type RulesState = Pick<ExecutionState, 'plan' | 'rules'>;
type PodRef = { readonly name: string; readonly namespace: string; readonly uid: string };

const readPod = async ({ client, signal }: Looking, ref: PodRef): Promise<Pod | undefined> => {
  const { name, namespace, uid } = ref;
  const pod = await getOrUndefined(client.get(PODS, { name, namespace }, { signal }));
  return pod?.metadata.uid === uid ? pod : undefined;
};

/** Whether the pod needs no partner, or one that the cache knows is there now: an eviction before may have taken it. */
const hasPartner = async (w: Looking, { rules }: RulesState, pod: Pod): Promise<boolean> => {
  if (!rules.partnersOf || rules.evictAs?.(pod) !== undefined) return true;
  for (const { metadata } of rules.partnersOf(pod)) {
    const { name, uid = '' } = metadata;
    const now = await readPod(w, { name, namespace: namespaceOf(pod), uid });
    if (now && isPartner(pod, now)) return true;
  }
  return false;
};

/** The pod as it is now; undefined when it is gone, is going, or may not be evicted any more. */
export const evictablePod = async (w: Looking, state: RulesState, ref: PodRef): Promise<Pod | undefined> => {
  const pod = await readPod(w, ref);
  if (!pod || isTerminating(pod) || podBlocker(state, pod) !== undefined) return undefined;
  return (await hasPartner(w, state, pod)) ? pod : undefined;
};

/** Whether the ReplicaSet exists that a pod was detached from. */
export const hasReplicaSet = async (
  { client, signal }: Looking,
  namespace: string,
  { name, uid }: SurgeRecord['replicaSet'],
): Promise<boolean> => {
  const { items } = await client.list(REPLICA_SETS, {
    namespace,
    fieldSelector: `metadata.name=${name}`,
    signal,
  });
  return items.some(({ metadata }) => metadata.uid === uid);
};

/** Whether a detached pod has no ReplicaSet left that could adopt it. */
export const isForsaken = async (
  w: Looking,
  ref: PodRef,
  replicaSet: SurgeRecord['replicaSet'],
): Promise<boolean> => {
  const pod = await readPod(w, ref);
  if (!pod || !surgeRecordOf(pod)) return false;
  return !(await hasReplicaSet(w, ref.namespace, replicaSet));
};

/** The pod as it is now if it is still on a node that no machine has joined, so that no kubelet runs it. */
export const strandedPod = async (w: Looking, ref: PodRef): Promise<Pod | undefined> => {
  const pod = await readPod(w, ref);
  if (!pod?.spec.nodeName) return undefined;
  const node = await getOrUndefined(w.client.get(NODES, { name: pod.spec.nodeName }, { signal: w.signal }));
  return hasJoined(node) ? undefined : pod;
};

/**
 * The resourceVersion on which a NodeClaim may be deleted: its node is closed, holds no pod that needs another place,
 * and nothing keeps it; undefined when it may not go.
 */
export const emptiedVersion = async (
  { client, signal }: Looking,
  state: RulesState & Pick<ExecutionState, 'nodes'>,
  step: { readonly claim: string; readonly uid: string },
): Promise<string | undefined> => {
  const claim = await getOrUndefined(client.get(NODE_CLAIMS, { name: step.claim }, { signal }));
  if (claim?.metadata.uid !== step.uid || claim.metadata.deletionTimestamp !== undefined) return undefined;
  const { resourceVersion } = claim.metadata;
  const name = claim.status?.nodeName ?? state.nodes.get(step.claim)?.metadata.name;
  const node = name ? await readNode({ client, signal }, name) : undefined;
  if (!node) return resourceVersion;
  if (node.spec?.unschedulable !== true) return undefined;
  const { items: pods } = await client.list(PODS, { fieldSelector: `spec.nodeName=${name}`, signal });
  const isEmpty = !pods.some(isDrainable) && blockersOf(state, { node, claim, pods }).length === 0;
  return isEmpty ? resourceVersion : undefined;
};

/**
 * The resourceVersion on which the NodeClaim of an added node may be given up: it is still reserved by the plan, and no
 * pod would be lost; undefined when it may not go.
 */
export const unusedVersion = async (
  { client, signal }: Looking,
  state: { readonly plan: Owner } & Pick<ExecutionState, 'nodes'>,
  step: { readonly claim: string; readonly uid: string },
): Promise<string | undefined> => {
  const claim = await getOrUndefined(client.get(NODE_CLAIMS, { name: step.claim }, { signal }));
  if (claim?.metadata.uid !== step.uid || !isReserved(state.plan, claim)) return undefined;
  const { resourceVersion } = claim.metadata;
  const name = claim.status?.nodeName || state.nodes.get(step.claim)?.metadata.name;
  const node = name ? await getOrUndefined(client.get(NODES, { name }, { signal })) : undefined;
  if (!hasJoined(node)) return resourceVersion;
  const { items: pods } = await client.list(PODS, { fieldSelector: `spec.nodeName=${name}`, signal });
  return isUnused(node, pods) ? resourceVersion : undefined;
};

/** Whether nothing keeps the pods of a node from being moved now. */
export const isUnblocked = async (
  w: Looking,
  state: RulesState & Pick<ExecutionState, 'nodes' | 'nodeClaims'>,
  claimName: string,
): Promise<boolean> => {
  const name = state.nodes.get(claimName)?.metadata.name;
  const claim = state.nodeClaims.get(claimName);
  const node = name ? await readNode(w, name) : undefined;
  if (!node || !claim) return false;
  const { items: pods } = await w.client.list(PODS, {
    fieldSelector: `spec.nodeName=${name}`,
    signal: w.signal,
  });
  return blockersOf(state, { node, claim, pods }).length === 0;
};
