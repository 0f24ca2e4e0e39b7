import type { Registry } from 'prom-client';
import type { RebalanceMigrationPlan } from '../api/kinds/rebalancemigrationplan.ts';
import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../api/kinds/rebalanceplanclaim.ts';
import type { RebalancePlanSchedule } from '../api/kinds/rebalanceplanschedule.ts';
import type { UnavailableOffering } from '../api/kinds/unavailableoffering.ts';
import type {
  CSINode,
  DaemonSet,
  KubeObject,
  Namespace,
  Node,
  NodeClaim,
  NodePool,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  StorageClass,
} from '../api/objects.ts';
import { hasEnded } from '../api/pods.ts';
import * as resources from '../api/resources.ts';
import { type Cache, createCache } from '../kube/cache/cache.ts';
import { POD_INDEXES } from '../kube/cache/trim.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { DETACHED_BY, detachedBy } from './rebalanceplan/state/surgerecord.ts';

/** Everything that kentroller watches. */
export interface Caches {
  readonly plans: Cache<RebalancePlan>;
  readonly claims: Cache<RebalancePlanClaim>;
  readonly schedules: Cache<RebalancePlanSchedule>;
  readonly migrations: Cache<RebalanceMigrationPlan>;
  readonly unavailable: Cache<UnavailableOffering>;
  readonly nodes: Cache<Node>;
  readonly pods: Cache<Pod>;
  readonly nodePools: Cache<NodePool>;
  readonly nodeClaims: Cache<NodeClaim>;
  readonly daemonSets: Cache<DaemonSet>;
  readonly replicaSets: Cache<ReplicaSet>;
  readonly podDisruptionBudgets: Cache<PodDisruptionBudget>;
  readonly persistentVolumeClaims: Cache<PersistentVolumeClaim>;
  readonly persistentVolumes: Cache<PersistentVolume>;
  readonly storageClasses: Cache<StorageClass>;
  readonly csiNodes: Cache<CSINode>;
  readonly namespaces: Cache<Namespace>;
}

/** Index of pods: under '' those that have no node and have not ended. */
export const UNASSIGNED = 'unassigned';

/** Index of nodes by spec.providerID. */
export const BY_PROVIDER_ID = 'providerID';

const unassigned = (pod: Pod): readonly string[] => (pod.spec.nodeName || hasEnded(pod) ? [] : ['']);

export const createCaches = (o: {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics?: Registry;
}): Caches => {
  const plain = <T extends KubeObject>(resource: resources.Resource<T>): Cache<T> =>
    createCache({ ...o, resource });
  return {
    plans: plain(resources.REBALANCE_PLANS),
    claims: plain(resources.REBALANCE_PLAN_CLAIMS),
    schedules: plain(resources.REBALANCE_PLAN_SCHEDULES),
    migrations: plain(resources.REBALANCE_MIGRATION_PLANS),
    unavailable: plain(resources.UNAVAILABLE_OFFERINGS),
    nodes: createCache({
      ...o,
      resource: resources.NODES,
      indexes: { [BY_PROVIDER_ID]: (node) => (node.spec?.providerID ? [node.spec.providerID] : []) },
    }),
    pods: createCache({
      ...o,
      resource: resources.PODS,
      indexes: { ...POD_INDEXES, [UNASSIGNED]: unassigned, [DETACHED_BY]: detachedBy },
    }),
    nodePools: plain(resources.NODE_POOLS),
    nodeClaims: plain(resources.NODE_CLAIMS),
    daemonSets: plain(resources.DAEMON_SETS),
    replicaSets: plain(resources.REPLICA_SETS),
    podDisruptionBudgets: plain(resources.POD_DISRUPTION_BUDGETS),
    persistentVolumeClaims: plain(resources.PERSISTENT_VOLUME_CLAIMS),
    persistentVolumes: plain(resources.PERSISTENT_VOLUMES),
    storageClasses: plain(resources.STORAGE_CLASSES),
    csiNodes: plain(resources.CSI_NODES),
    namespaces: plain(resources.NAMESPACES),
  };
};

export const startCaches = async (
  caches: Caches,
  configMaps: readonly Pick<Cache<KubeObject>, 'start' | 'synced'>[],
  signal: AbortSignal,
): Promise<void> => {
  const all: readonly { start(s: AbortSignal): void; synced(s?: AbortSignal): Promise<void> }[] = [
    ...Object.values(caches),
    ...configMaps,
  ];
  for (const cache of all) cache.start(signal);
  await Promise.all(all.map((cache) => cache.synced(signal)));
};

export const areSynced = (caches: Caches): boolean =>
  Object.values(caches).every((cache: { readonly hasSynced: boolean }) => cache.hasSynced);

/** The Node of a NodeClaim: by its machine's id, or by the name that Karpenter recorded. */
export const nodeOf = (caches: Pick<Caches, 'nodes'>, claim: NodeClaim): Node | undefined => {
  const id = claim.status?.providerID;
  const byId = id ? caches.nodes.by(BY_PROVIDER_ID, id)[0] : undefined;
  return byId ?? (claim.status?.nodeName ? caches.nodes.get(claim.status.nodeName) : undefined);
};
