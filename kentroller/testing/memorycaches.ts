import * as resources from '../../api/resources.ts';
import type { MemoryApi } from '../../kube/testing/memory/api.ts';
import { LaggingCache } from '../../kube/testing/memory/laggingcache.ts';
import {
  CACHED_NODE_CLAIM_INDEXES,
  CACHED_NODE_INDEXES,
  CACHED_POD_INDEXES,
  type Caches,
} from '../caches.ts';

/** Each of kentroller's caches: a new one does not compile until it is here. */
const CACHED: { readonly [K in keyof Caches]: readonly [resource: object, indexes?: object] } = {
  plans: [resources.REBALANCE_PLANS],
  claims: [resources.REBALANCE_PLAN_CLAIMS],
  schedules: [resources.REBALANCE_PLAN_SCHEDULES],
  migrations: [resources.REBALANCE_MIGRATION_PLANS],
  unavailable: [resources.UNAVAILABLE_OFFERINGS],
  nodes: [resources.NODES, CACHED_NODE_INDEXES],
  pods: [resources.PODS, CACHED_POD_INDEXES],
  nodePools: [resources.NODE_POOLS],
  nodeClaims: [resources.NODE_CLAIMS, CACHED_NODE_CLAIM_INDEXES],
  ec2NodeClasses: [resources.EC2_NODE_CLASSES],
  autoNodeClasses: [resources.AUTO_NODE_CLASSES],
  nodeOverlays: [resources.NODE_OVERLAYS],
  daemonSets: [resources.DAEMON_SETS],
  replicaSets: [resources.REPLICA_SETS],
  podDisruptionBudgets: [resources.POD_DISRUPTION_BUDGETS],
  persistentVolumeClaims: [resources.PERSISTENT_VOLUME_CLAIMS],
  persistentVolumes: [resources.PERSISTENT_VOLUMES],
  storageClasses: [resources.STORAGE_CLASSES],
  csiNodes: [resources.CSI_NODES],
  namespaces: [resources.NAMESPACES],
  limitRanges: [resources.LIMIT_RANGES],
};

/** Names of all caches of kentroller. */
export const CACHE_NAMES: readonly string[] = Object.keys(CACHED);

/** kentroller's caches over an API server in memory; a test delivers what their watches have. */
export const memoryCaches = (
  api: MemoryApi,
): { readonly caches: Caches; readonly lagging: readonly LaggingCache<never>[] } => {
  const made = Object.entries(CACHED).map(
    ([name, [resource, indexes]]) =>
      [name, new LaggingCache(api, resource as never, (indexes ?? {}) as never)] as const,
  );
  return {
    caches: Object.fromEntries(made) as unknown as Caches,
    lagging: made.map(([, cache]) => cache as unknown as LaggingCache<never>),
  };
};
