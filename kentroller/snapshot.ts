import type { Snapshot } from '../planner/model/snapshot.ts';
import type { Caches } from './caches.ts';

/**
 * The planner's snapshot of the caches. Lists are copies; objects are shared and must not be changed. Only plans for pending pods look at DeviceClasses, and kentroller makes none.
 */
export const gatherSnapshot = (
  caches: Pick<Caches, Exclude<keyof Snapshot, 'deviceClasses' | 'limitRanges' | 'nodeClasses' | 'notes'>>,
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
});
