import type { Registry } from 'prom-client';
import type { RebalanceMigrationPlan } from '../api/kinds/rebalancemigrationplan.ts';
import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../api/kinds/rebalanceplanclaim.ts';
import type { RebalancePlanSchedule } from '../api/kinds/rebalanceplanschedule.ts';
import type { UnavailableOffering } from '../api/kinds/unavailableoffering.ts';
import { REMOVAL_TAINT } from '../api/labels.ts';
import type {
  CSINode,
  DaemonSet,
  KubeObject,
  LimitRange,
  Namespace,
  Node,
  NodeClaim,
  NodeClassObject,
  NodeOverlay,
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

/** The caches of all objects that kentroller watches, except ConfigMaps. */
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
  readonly limitRanges: Cache<LimitRange>;
  /** Empty where the cluster is not of this cloud; so are those of EKS Auto Mode. */
  readonly ec2NodeClasses: Cache<NodeClassObject>;
  readonly autoNodeClasses: Cache<NodeClassObject>;
  /** Empty where Karpenter is too old for them. */
  readonly nodeOverlays: Cache<NodeOverlay>;
}

/** Index of pods; its only key '' lists the pods that have no node and have not ended. */
export const UNASSIGNED = 'unassigned';

/** Index of nodes by spec.providerID. */
export const BY_PROVIDER_ID = 'providerID';

/** Index of nodes; its only key '' lists those that node consolidation has closed. */
export const CLOSED_FOR_REMOVAL = 'closedForRemoval';

/** Indexes of the caches of pods, nodes and NodeClaims. */
export const CACHED_POD_INDEXES = {
  ...POD_INDEXES,
  [UNASSIGNED]: (pod: Pod): readonly string[] => (pod.spec.nodeName || hasEnded(pod) ? [] : ['']),
  [DETACHED_BY]: detachedBy,
};
export const CACHED_NODE_INDEXES = {
  [BY_PROVIDER_ID]: (node: Node): readonly string[] => (node.spec?.providerID ? [node.spec.providerID] : []),
  [CLOSED_FOR_REMOVAL]: (node: Node): readonly string[] =>
    node.spec?.taints?.some(({ key }) => key === REMOVAL_TAINT) ? [''] : [],
};
export const CACHED_NODE_CLAIM_INDEXES = {
  [BY_PROVIDER_ID]: ({ status }: NodeClaim): readonly string[] =>
    status?.providerID ? [status.providerID] : [],
};

export const createCaches = (o: {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics?: Registry;
}): Caches => {
  const cacheOf = <T extends KubeObject>(resource: resources.Resource<T>): Cache<T> =>
    createCache({ ...o, resource });
  const optionalCacheOf = <T extends KubeObject>(resource: resources.Resource<T>): Cache<T> =>
    createCache({ ...o, resource, isOptional: true });
  return {
    plans: cacheOf(resources.REBALANCE_PLANS),
    claims: cacheOf(resources.REBALANCE_PLAN_CLAIMS),
    schedules: cacheOf(resources.REBALANCE_PLAN_SCHEDULES),
    migrations: cacheOf(resources.REBALANCE_MIGRATION_PLANS),
    unavailable: cacheOf(resources.UNAVAILABLE_OFFERINGS),
    nodes: createCache({
      ...o,
      resource: resources.NODES,
      indexes: CACHED_NODE_INDEXES,
    }),
    pods: createCache({
      ...o,
      resource: resources.PODS,
      indexes: CACHED_POD_INDEXES,
    }),
    nodePools: cacheOf(resources.NODE_POOLS),
    nodeClaims: createCache({
      ...o,
      resource: resources.NODE_CLAIMS,
      indexes: CACHED_NODE_CLAIM_INDEXES,
    }),
    daemonSets: cacheOf(resources.DAEMON_SETS),
    replicaSets: cacheOf(resources.REPLICA_SETS),
    podDisruptionBudgets: cacheOf(resources.POD_DISRUPTION_BUDGETS),
    persistentVolumeClaims: cacheOf(resources.PERSISTENT_VOLUME_CLAIMS),
    persistentVolumes: cacheOf(resources.PERSISTENT_VOLUMES),
    storageClasses: cacheOf(resources.STORAGE_CLASSES),
    csiNodes: cacheOf(resources.CSI_NODES),
    namespaces: cacheOf(resources.NAMESPACES),
    limitRanges: cacheOf(resources.LIMIT_RANGES),
    ec2NodeClasses: optionalCacheOf(resources.EC2_NODE_CLASSES),
    autoNodeClasses: optionalCacheOf(resources.AUTO_NODE_CLASSES),
    nodeOverlays: optionalCacheOf(resources.NODE_OVERLAYS),
  };
};

/** Starts all caches and waits until they have synced. Throws when the signal aborts. */
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

/** The NodeClaim of a Node, by provider id. */
export const claimOf = (caches: Pick<Caches, 'nodeClaims'>, node: Node): NodeClaim | undefined =>
  node.spec?.providerID ? caches.nodeClaims.by(BY_PROVIDER_ID, node.spec.providerID)[0] : undefined;

/** The Node of a NodeClaim: by provider id, else by the name in the claim's status. */
export const nodeOf = (caches: Pick<Caches, 'nodes'>, claim: NodeClaim): Node | undefined => {
  const id = claim.status?.providerID;
  const byId = id ? caches.nodes.by(BY_PROVIDER_ID, id)[0] : undefined;
  return byId ?? (claim.status?.nodeName ? caches.nodes.get(claim.status.nodeName) : undefined);
};
