import type { KubeObject } from '../api/objects.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import type { Caches } from './caches.ts';

/** The objects of a kind with its name, which the API server leaves out of a list's items. */
const named = <T extends KubeObject>(cache: Pick<Cache<T>, 'list' | 'resource'>): readonly T[] =>
  cache.list().map((object) => ({ ...object, kind: cache.resource.kind }));

/**
 * The planner's snapshot of the caches. Lists are copies; objects are shared and must not be changed. Only plans for pending pods look at DeviceClasses, and kentroller makes none.
 */
export const gatherSnapshot = (
  caches: Pick<
    Caches,
    Exclude<keyof Snapshot, 'deviceClasses' | 'nodeClasses' | 'notes'> | 'ec2NodeClasses' | 'autoNodeClasses'
  >,
): Snapshot => ({
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
  nodeClasses: [...named(caches.ec2NodeClasses), ...named(caches.autoNodeClasses)],
  nodeOverlays: [...caches.nodeOverlays.list()],
});
