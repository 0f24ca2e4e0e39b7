import type { NodeCost } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import { amount, formatAmount } from '../../api/quantity.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Labels } from '../scheduling/nodeaffinity.ts';
import type { Requests } from '../scheduling/noderesources.ts';

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

/** What the nodes of a NodePool have of a resource, as Karpenter counts it in the NodePool's status. */
const usedOf = (pool: NodePool, resource: string): number =>
  amount(resource, pool.status?.resources?.[resource] ?? '0');

/** What a NodePool may still grow by, per limited resource; undefined when it has no limits. */
export const limitLeft = (pool: NodePool): Requests | undefined => {
  const { limits } = pool.spec;
  if (!limits || Object.keys(limits).length === 0) return undefined;
  return new Map(
    Object.entries(limits).map(([resource, limit]) => [
      resource,
      amount(resource, limit) - usedOf(pool, resource),
    ]),
  );
};

/** The limits of NodePools, kept while nodes are bought and given up. */
export class Limits {
  readonly #left = new Map<string, Requests>();
  /** Nothing, or what NodePools were over their limits by at first: nodes that stand may come back to that. */
  readonly #floor = new Map<string, Requests>();

  constructor(pools: Iterable<NodePool>) {
    for (const pool of pools) {
      const left = limitLeft(pool);
      if (!left) continue;
      this.#left.set(pool.metadata.name, left);
      this.#floor.set(pool.metadata.name, new Map([...left].map(([r, n]) => [r, Math.min(0, n)])));
    }
  }

  /** Whether a node that stood at first may be there again. */
  allowsBack(poolName: string | undefined, capacity: Requests): boolean {
    const floor = this.#floor.get(poolName ?? '');
    for (const [resource, amount] of this.#left.get(poolName ?? '') ?? []) {
      if (amount - (capacity.get(resource) ?? 0) < (floor?.get(resource) ?? 0)) return false;
    }
    return true;
  }

  /** Whether no NodePool is over its limits by more than it was at first. */
  areKept(): boolean {
    return [...this.#left.keys()].every((poolName) => this.allowsBack(poolName, new Map()));
  }

  /** Whether one more node of the type stays within its NodePool's limits. */
  allows(poolName: string, type: InstanceType): boolean {
    const left = this.#left.get(poolName);
    if (!left) return true;
    const capacity = capacityOf(type);
    for (const [resource, amount] of left) if ((capacity.get(resource) ?? 0) > amount) return false;
    return true;
  }

  /** Counts a node against its NodePool, or for it when sign is -1. */
  count(poolName: string | undefined, capacity: Requests, sign: 1 | -1): void {
    const left = this.#left.get(poolName ?? '');
    if (!left) return;
    for (const [resource, amount] of left) left.set(resource, amount - sign * (capacity.get(resource) ?? 0));
  }

  isEmpty(): boolean {
    return this.#left.size === 0;
  }
}

/**
 * What limits leave once a plan is written, so that the choices of its claims stay within them whichever of them the
 * cloud takes.
 */
export class LimitLedger {
  readonly #left = new Map<string, Map<string, number>>();

  /** `bought` are NodePools and the types meant, `removed` nodes that give back what they count for. */
  constructor(
    pools: readonly NodePool[],
    bought: readonly (readonly [string, InstanceType])[],
    removed: readonly { readonly view: { readonly labels: Labels }; readonly capacity?: Requests }[],
  ) {
    for (const pool of pools) {
      const left = limitLeft(pool);
      if (left) this.#left.set(pool.metadata.name, new Map(left));
    }
    const count = (poolName: string | undefined, capacity: Requests | undefined, sign: 1 | -1): void => {
      const left = this.#left.get(poolName ?? '');
      for (const [resource, n] of left ?? []) left?.set(resource, n - sign * (capacity?.get(resource) ?? 0));
    };
    for (const [poolName, type] of bought) count(poolName, capacityOf(type), 1);
    for (const { view, capacity } of removed) count(poolNameOf(view.labels), capacity, -1);
  }

  /** Whether the NodePool has limits. */
  has(poolName: string): boolean {
    return this.#left.has(poolName);
  }

  /** Whether a claim may name `other` beside the type that is meant. */
  allows(poolName: string, meant: InstanceType, other: InstanceType): boolean {
    const left = this.#left.get(poolName);
    if (!left || meant === other) return true;
    const most = capacityOf(other);
    const counted = capacityOf(meant);
    for (const [resource, n] of left) {
      const more = (most.get(resource) ?? 0) - (counted.get(resource) ?? 0);
      if (more > 0 && more > n) return false;
    }
    return true;
  }

  /** Sets aside what the largest of a claim's choices would take beyond the type that is meant. */
  take(poolName: string, meant: InstanceType, choices: readonly InstanceType[]): void {
    const left = this.#left.get(poolName);
    if (!left) return;
    const counted = capacityOf(meant);
    const capacities = [...new Set(choices)].map(capacityOf);
    for (const [resource, n] of left) {
      const most = Math.max(0, ...capacities.map((each) => each.get(resource) ?? 0));
      left.set(resource, n - Math.max(0, most - (counted.get(resource) ?? 0)));
    }
  }
}

export const poolNameOf = (labels: Readonly<Record<string, string>>): string | undefined =>
  labels[KARPENTER_NODEPOOL];

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
    const used = usedOf(pool, resource);
    if (used + more > amount(resource, limit)) {
      return `NodePool ${pool.metadata.name} has a limit of ${limit} for ${resource}: ${formatAmount(resource, used)} are there, and the plan adds ${formatAmount(resource, more)} before it removes any`;
    }
  }
  return undefined;
};
