import type { NodePool } from '../../api/objects.ts';

/** Whether Karpenter would make nodes from this NodePool for pods: not static, not being deleted. */
export const isDynamic = (pool: NodePool): boolean =>
  pool.spec.replicas === undefined && pool.metadata.deletionTimestamp === undefined;
