import type { NodePool } from '../../api/objects.ts';

/** Whether Karpenter creates nodes of this NodePool on demand: it is not static and not being deleted. */
export const isDynamic = (pool: NodePool): boolean =>
  pool.spec.replicas === undefined && pool.metadata.deletionTimestamp === undefined;
