import { KARPENTER_NODEPOOL } from '../api/labels.ts';
import type { NodePool } from '../api/objects.ts';
import { amount } from '../api/quantity.ts';
import type { InstanceType } from './catalogue.ts';
import type { Requests } from './podresources.ts';

/** What a limit of a NodePool counts of one node: its capacity, and itself. */
export const capacityOf = (type: InstanceType): Requests =>
  new Map([
    ['cpu', type.capacity.cpu],
    ['memory', type.capacity.memory],
    ['pods', type.capacity.pods],
    ['ephemeral-storage', type.capacity.ephemeralStorage],
    ['nodes', 1],
    ...Object.entries(type.capacity.other),
  ]);

/** What a NodePool may still grow by, per limited resource; undefined when it has no limits. */
export const limitLeft = (pool: NodePool): Requests | undefined => {
  const { limits } = pool.spec;
  if (!limits || Object.keys(limits).length === 0) return undefined;
  return new Map(
    Object.entries(limits).map(([resource, limit]) => [
      resource,
      amount(resource, limit) - amount(resource, pool.status?.resources?.[resource] ?? '0'),
    ]),
  );
};

/** The limits of NodePools, kept while nodes are bought and given up. */
export class Limits {
  private readonly left = new Map<string, Requests>();

  constructor(pools: Iterable<NodePool>) {
    for (const pool of pools) {
      const left = limitLeft(pool);
      if (left) this.left.set(pool.metadata.name, left);
    }
  }

  /** Whether one more node of the type stays within its NodePool's limits. */
  allows(poolName: string, type: InstanceType): boolean {
    const left = this.left.get(poolName);
    if (!left) return true;
    const capacity = capacityOf(type);
    for (const [resource, amount] of left) if ((capacity.get(resource) ?? 0) > amount) return false;
    return true;
  }

  /** Counts a node against its NodePool, or for it when sign is -1. */
  count(poolName: string | undefined, capacity: Requests, sign: 1 | -1): void {
    const left = this.left.get(poolName ?? '');
    if (!left) return;
    for (const [resource, amount] of left) left.set(resource, amount - sign * (capacity.get(resource) ?? 0));
  }

  isEmpty(): boolean {
    return this.left.size === 0;
  }
}

export const poolNameOf = (labels: Readonly<Record<string, string>>): string | undefined =>
  labels[KARPENTER_NODEPOOL];
