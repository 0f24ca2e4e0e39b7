import type { NodeCost } from '../../api/kinds/rebalanceplan.ts';
import type { NodePool } from '../../api/objects.ts';
import { amount, formatAmount } from '../../api/quantity.ts';

const MIB = 1024 * 1024;

/**
 * Why the pool's limits forbid these nodes beside those that it has; undefined when they allow them. Karpenter checks
 * limits only for what it provisions itself.
 */
export const overLimits = (pool: NodePool, adds: readonly NodeCost[]): string | undefined => {
  const added: Readonly<Record<string, number>> = {
    cpu: adds.reduce((sum, node) => sum + node.milliCPU, 0),
    memory: adds.reduce((sum, node) => sum + node.memoryMiB * MIB, 0),
    nodes: adds.length,
  };
  for (const [resource, limit] of Object.entries(pool.spec.limits ?? {})) {
    const more = added[resource];
    if (more === undefined) continue;
    const used = amount(resource, pool.status?.resources?.[resource] ?? '0');
    if (used + more > amount(resource, limit)) {
      return `NodePool ${pool.metadata.name} has a limit of ${limit} for ${resource}: ${formatAmount(resource, used)} are there, and the plan adds ${formatAmount(resource, more)} before it removes any`;
    }
  }
  return undefined;
};
