import type { KubeObject, NodeClassObject, Pod } from '../api/objects.ts';
import type { Resource } from '../api/resources.ts';
import type { Absence, Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { lacksRight, messageOf } from '../kube/errors.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import { UNREAD_NODE_OVERLAYS, unreadNodeClasses } from '../planner/model/unread.ts';
import type { Caches } from './caches.ts';
import { type BufferPods, readBufferPods } from './capacitybuffers/pods.ts';

/** The objects of a kind with its name, which the API server leaves out of a list's items. */
const named = <T extends KubeObject>(cache: Pick<Cache<T>, 'list' | 'resource'>): readonly T[] =>
  cache.list().map((object) => ({ ...object, kind: cache.resource.kind }));

/** The NodeClasses of every kind that kentroller watches. */
export const nodeClassesIn = (
  caches: Readonly<
    Record<'ec2NodeClasses' | 'autoNodeClasses', Pick<Cache<NodeClassObject>, 'list' | 'resource'>>
  >,
): readonly NodeClassObject[] => [...named(caches.ec2NodeClasses), ...named(caches.autoNodeClasses)];

/** Whether some NodeClass may launch machines into capacity reservations. */
export const usesReservations = (caches: Parameters<typeof nodeClassesIn>[0]): boolean =>
  nodeClassesIn(caches).some(({ status }) => (status?.capacityReservations ?? []).length > 0);

/** The provider ids of the cluster's machines. */
export const providerIDsIn = ({ nodes }: Pick<Caches, 'nodes'>): readonly string[] =>
  nodes.list().flatMap(({ spec }) => spec?.providerID ?? []);

interface OptionalKind {
  readonly resource: Pick<Resource, 'kind' | 'plural' | 'group'>;
  readonly absence: Absence | undefined;
}

/** What plans can't know, as kentroller may not read these kinds, each in a sentence with what to do. */
export const unreadKinds = ({
  ec2NodeClasses,
  autoNodeClasses,
  nodeOverlays,
}: Readonly<
  Record<'ec2NodeClasses' | 'autoNodeClasses' | 'nodeOverlays', OptionalKind>
>): readonly string[] => [
  ...[ec2NodeClasses, autoNodeClasses]
    .filter(({ absence }) => absence === 'forbidden')
    .map(({ resource }) => unreadNodeClasses(resource)),
  ...(nodeOverlays.absence === 'forbidden' ? [UNREAD_NODE_OVERLAYS] : []),
];

export type SnapshotCaches = Pick<
  Caches,
  Exclude<keyof Snapshot, 'deviceClasses' | 'nodeClasses' | 'notes'> | 'ec2NodeClasses' | 'autoNodeClasses'
>;

/**
 * The planner's snapshot of the caches. Lists are copies; objects are shared and must not be changed. DeviceClasses are left out: a pod with devices of claims is left to Karpenter.
 */
export const gatherSnapshot = (caches: SnapshotCaches): Snapshot => ({
  nodes: [...caches.nodes.list()],
  pods: [...caches.pods.list()],
  nodePools: [...caches.nodePools.list()],
  nodeClaims: [...caches.nodeClaims.list()],
  daemonSets: [...caches.daemonSets.list()],
  replicaSets: [...caches.replicaSets.list()],
  podDisruptionBudgets: [...caches.podDisruptionBudgets.list()],
  persistentVolumeClaims: [...caches.persistentVolumeClaims.list()],
  persistentVolumes: [...caches.persistentVolumes.list()],
  storageClasses: [...caches.storageClasses.list()],
  csiNodes: [...caches.csiNodes.list()],
  namespaces: [...caches.namespaces.list()],
  limitRanges: [...caches.limitRanges.list()],
  nodeClasses: nodeClassesIn(caches),
  nodeOverlays: [...caches.nodeOverlays.list()],
});

/**
 * The snapshot that plans are made from: with the pods that CapacityBuffers and headroom stand for, whose room every plan keeps, since
 * Karpenter would buy it again. Without the right to read buffers there are none.
 */
export const gatherForPlans = async (o: {
  readonly client: Pick<KubeClient, 'get' | 'list'>;
  readonly caches: SnapshotCaches;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly headroom?: () => readonly Pod[];
}): Promise<Snapshot> => {
  const { pods, problem } = await readBufferPods(o).catch((error: unknown): BufferPods => {
    if (!lacksRight(error)) throw error;
    return { pods: o.headroom?.() ?? [], problem: messageOf(error) };
  });
  if (problem !== undefined)
    o.log.warn({ reason: problem }, 'plans do not keep the room of all CapacityBuffers');
  const snapshot = gatherSnapshot(o.caches);
  return { ...snapshot, pods: [...snapshot.pods, ...pods] };
};
