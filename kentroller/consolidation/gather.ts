import { landingNodeOf } from '../../api/heldpods.ts';
import { KARPENTER_NODEPOOL, PIN_NODE, SELECTED_NODE } from '../../api/labels.ts';
import type { Node, NodeClaim, PersistentVolumeClaim, Pod } from '../../api/objects.ts';
import { isRunning } from '../../api/plans.ts';
import { hasEnded, isBoundToNode } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { NODE_CLAIMS, PERSISTENT_VOLUME_CLAIMS, PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import { allowedDisruptions, countNodes, type NodeCount } from '../../planner/cluster/disruptionbudget.ts';
import { type Caches, claimOf, nodeOf, UNASSIGNED } from '../caches.ts';
import type { BufferPods } from '../capacitybuffers/pods.ts';
import { readNode } from '../freshnode.ts';
import { isMarked } from '../policies/limits.ts';
import { existingClaims } from '../rebalanceplan/state/claimnames.ts';
import { gatherSnapshot } from '../snapshot.ts';
import type { NodeFacts } from './decide.ts';
import type { Ledger } from './ledger.ts';
import type { NodePolicies } from './nodepolicies.ts';
import { asGoing, poolNameOf } from './poolcounts.ts';
import { roomNeed } from './room.ts';

/** The facts about one node: from the caches for a first decision, and from the API server right before the deletion. */

export interface Sources {
  readonly caches: Caches;
  readonly ledger: Ledger;
  readonly countOf: (pool: string) => NodeCount;
  readonly isEnabled: () => boolean;
  readonly policies: NodePolicies;
  readonly settleMs: number;
  readonly schedulers?: readonly string[];
  readonly now: () => number;
}

/** What is read anew for the last look. */
interface Seen {
  readonly node: Node;
  readonly claim: NodeClaim;
  readonly pods: readonly Pod[];
  /** Pods without a node. */
  readonly unassigned: readonly Pod[];
  readonly volumeClaims: () => readonly PersistentVolumeClaim[];
  /** The other nodes of the NodePool and this one, which does not count as disrupted by us. */
  readonly countPool: () => NodeCount;
}

const isPromised = (pod: Pod, node: Node, claim: NodeClaim): boolean => {
  const { name } = node.metadata;
  const nominated = pod.status?.nominatedNodeName;
  if (hasEnded(pod) || pod.metadata.deletionTimestamp || isBoundToNode(pod)) return false;
  return (
    nominated === name ||
    nominated === claim.metadata.name ||
    valueAt(pod.metadata.annotations, PIN_NODE) === name ||
    landingNodeOf(pod) === name
  );
};

/** PersistentVolumeClaims that a pod mounts, as 'namespace/name'. */
const mountedBy = ({ metadata: { name, namespace }, spec }: Pod): readonly string[] =>
  (spec.volumes ?? []).flatMap((volume) => {
    const claim = volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral && `${name}-${volume.name}`);
    return claim === undefined ? [] : [`${namespace}/${claim}`];
  });

/** Volumes that are being made for a node and that a pod waits for. */
const bindingTo = ({ volumeClaims, unassigned }: Seen, node: Node): readonly string[] => {
  const awaited = new Set(unassigned.flatMap(mountedBy));
  if (awaited.size === 0) return [];
  return volumeClaims()
    .filter(({ metadata, spec, status }) => {
      const isBound = Boolean(spec?.volumeName) || status?.phase === 'Bound';
      return !isBound && valueAt(metadata.annotations, SELECTED_NODE) === node.metadata.name;
    })
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
    .filter((name) => awaited.has(name));
};

const isPlanned = ({ plans }: Pick<Caches, 'plans'>, claim: NodeClaim): boolean =>
  plans.list().some((plan) => isRunning(plan) && existingClaims(plan).includes(claim.metadata.name));

const allowedFor = ({ caches, now }: Sources, { claim, countPool }: Seen): number => {
  const pool = caches.nodePools.get(poolNameOf(claim));
  return pool ? allowedDisruptions(pool, countPool(), now(), false, undefined, 'Empty') : 0;
};

/** The count of the caches, in which a node that is begun counts as going; for its own decision it does not. */
const countCached = ({ ledger, countOf }: Sources, node: Node, claim: NodeClaim): NodeCount => {
  const { total, disrupted } = countOf(poolNameOf(claim));
  if (!isMarked(claim) && !ledger.isBegun(claim)) return { total, disrupted };
  const own =
    countNodes([{ node, claim: asGoing(claim) }]).disrupted - countNodes([{ node, claim }]).disrupted;
  return { total, disrupted: Math.max(0, disrupted - own) };
};

/** The count of what was listed at the act, in which only claims that we have deleted count as going. */
const countListed = (
  { caches, ledger }: Sources,
  seen: Pick<Seen, 'node' | 'claim'>,
  poolClaims: readonly NodeClaim[],
): NodeCount =>
  countNodes(
    poolClaims.flatMap((claim) => {
      const isOwn = claim.metadata.uid === seen.claim.metadata.uid;
      const node = isOwn ? seen.node : nodeOf(caches, claim);
      return node ? [{ node, claim: !isOwn && ledger.isDeleted(claim) ? asGoing(claim) : claim }] : [];
    }),
  );

const neededFor = (o: Sources, seen: Seen, buffers: BufferPods): string | undefined => {
  if (buffers.problem !== undefined) return buffers.problem;
  const snapshot = gatherSnapshot(o.caches);
  const others = snapshot.nodeClaims.filter(({ metadata }) => metadata.uid !== seen.claim.metadata.uid);
  const gone = others.filter((claim) => isMarked(claim) || o.ledger.isBegun(claim));
  const pods = [...snapshot.pods.filter(({ spec }) => spec.nodeName), ...seen.unassigned];
  return roomNeed({ ...snapshot, pods }, seen.node.metadata.name, {
    gone: new Set(gone.map(({ metadata }) => metadata.name)),
    buffers: buffers.pods,
    ...(o.schedulers && { schedulers: o.schedulers }),
  });
};

const factsFrom = (o: Sources, seen: Seen, buffers: BufferPods): NodeFacts => {
  const { caches, now, settleMs } = o;
  const { node, claim, pods } = seen;
  return {
    node,
    claim,
    pods,
    pool: caches.nodePools.get(poolNameOf(claim)),
    promised: () => seen.unassigned.filter((pod) => isPromised(pod, node, claim)),
    volumes: () => bindingTo(seen, node),
    isPlanned: isPlanned(caches, claim),
    allowed: () => allowedFor(o, seen),
    neededFor: () => neededFor(o, seen, buffers),
    rules: {
      budgets: caches.podDisruptionBudgets.list(),
      mode: {},
      now: now(),
      // No pod that could have one is on a node that is empty.
      hasLocalVolume: () => false,
      willSurge: () => false,
      ...(o.schedulers && { schedulers: o.schedulers }),
    },
    isEnabled: o.isEnabled(),
    policies: o.policies.factsOf(node, claim),
    now: now(),
    settleMs,
  };
};

/** The facts as the caches have them; undefined for a node that Karpenter does not manage. */
export const cachedFacts = (o: Sources, name: string, buffers: BufferPods): NodeFacts | undefined => {
  const { caches } = o;
  const node = caches.nodes.get(name);
  const claim = node && claimOf(caches, node);
  if (!claim) return undefined;
  const seen: Seen = {
    node,
    claim,
    pods: caches.pods.by('node', name),
    unassigned: caches.pods.by(UNASSIGNED, ''),
    volumeClaims: () => caches.persistentVolumeClaims.list(),
    countPool: () => countCached(o, node, claim),
  };
  return factsFrom(o, seen, buffers);
};

type Looking = { readonly client: KubeClient; readonly signal: AbortSignal };

/** PersistentVolumeClaims of the namespaces in which pods with volumes wait for a node. */
const readVolumeClaims = async (
  { client, signal }: Looking,
  unassigned: readonly Pod[],
): Promise<readonly PersistentVolumeClaim[]> => {
  const withVolumes = unassigned.filter(({ spec }) =>
    spec.volumes?.some((volume) => volume.persistentVolumeClaim ?? volume.ephemeral),
  );
  const namespaces = new Set(withVolumes.map(({ metadata }) => metadata.namespace ?? 'default'));
  const found: PersistentVolumeClaim[] = [];
  for (const namespace of namespaces) {
    const { items } = await client.list(PERSISTENT_VOLUME_CLAIMS, { namespace, signal });
    found.push(...items);
  }
  return found;
};

/** The facts as the API server has them, for the last look; undefined once the node or its claim is another or gone. */
export const freshFacts = async (
  o: Sources,
  looking: Looking,
  before: Pick<NodeFacts, 'node' | 'claim'>,
  readBuffers: () => Promise<BufferPods>,
): Promise<NodeFacts | undefined> => {
  const { client, signal } = looking;
  const { name } = before.node.metadata;
  const buffers = await readBuffers();
  const node = await readNode(looking, name);
  const ref = { name: before.claim.metadata.name };
  const claim = await getOrUndefined(client.get(NODE_CLAIMS, ref, { signal }));
  if (!node || node.metadata.uid !== before.node.metadata.uid) return undefined;
  if (!claim || claim.metadata.uid !== before.claim.metadata.uid) return undefined;
  const labelSelector = `${KARPENTER_NODEPOOL}=${poolNameOf(claim)}`;
  const { items: poolClaims } = await client.list(NODE_CLAIMS, { labelSelector, signal });
  const waiting = await client.list(PODS, { fieldSelector: 'spec.nodeName=', signal });
  const unassigned = waiting.items.filter((pod) => !hasEnded(pod));
  const cached = o.caches.persistentVolumeClaims.list();
  const read = await readVolumeClaims(looking, unassigned);
  // Last of all: what arrived while the rest was read is seen.
  const { items: pods } = await client.list(PODS, { fieldSelector: `spec.nodeName=${name}`, signal });
  const countPool = (): NodeCount => countListed(o, { node, claim }, poolClaims);
  const volumeClaims = () => [...cached, ...read];
  const seen: Seen = { node, claim, pods, unassigned, volumeClaims, countPool };
  return factsFrom(o, seen, buffers);
};
