import type { NodeCost } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import { amount, formatAmount } from '../../api/quantity.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Labels } from '../scheduling/nodeaffinity.ts';
import type { Requests } from '../scheduling/noderesources.ts';

/** The NodePool that a node's labels name. */
export const poolNameOf = (labels: Labels): string | undefined => labels[KARPENTER_NODEPOOL];

/** What a limit counts of one node: its capacity, and one for `nodes`. */
export const capacityOf = (type: InstanceType): Requests =>
  new Map([
    ['cpu', type.capacity.cpu],
    ['memory', type.capacity.memory],
    ['pods', type.capacity.pods],
    ['ephemeral-storage', type.capacity.ephemeralStorage],
    ['nodes', 1],
    ...Object.entries(type.capacity.other),
  ]);

/** What the NodePool's nodes have of a resource, as Karpenter writes it to the status. */
const usedOf = (pool: NodePool, resource: string): number =>
  amount(resource, pool.status?.resources?.[resource] ?? '0');

/** What a NodePool may still grow by, per limited resource; empty without limits, below 0 where a limit is exceeded. */
const remainingOf = (pool: NodePool): Requests =>
  new Map(
    Object.entries(pool.spec.limits ?? {}).map(([resource, limit]) => [
      resource,
      amount(resource, limit) - usedOf(pool, resource),
    ]),
  );

/** What NodePools with limits may still grow by, while nodes are added and removed. */
export class RemainingLimits {
  readonly #remaining = new Map<string, Requests>();
  /** 0, or below it where a NodePool was over its limits at first: existing nodes may return to that. */
  readonly #floor = new Map<string, Requests>();

  constructor(pools: Iterable<NodePool>) {
    for (const pool of pools) {
      const remaining = remainingOf(pool);
      if (remaining.size === 0) continue;
      this.#remaining.set(pool.metadata.name, remaining);
      this.#floor.set(pool.metadata.name, new Map([...remaining].map(([r, n]) => [r, Math.min(0, n)])));
    }
  }

  /** Whether no NodePool has limits. */
  isEmpty(): boolean {
    return this.#remaining.size === 0;
  }

  isLimited(poolName: string): boolean {
    return this.#remaining.has(poolName);
  }

  /** Whether one more node of the type stays within the NodePool's limits. */
  allows(poolName: string, type: InstanceType): boolean {
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return true;
    const capacity = capacityOf(type);
    for (const [resource, amount] of remaining) if ((capacity.get(resource) ?? 0) > amount) return false;
    return true;
  }

  /** Whether the limits allow a closed existing node of this capacity to be opened again. */
  allowsReturn(poolName: string | undefined, capacity: Requests): boolean {
    const floor = this.#floor.get(poolName ?? '');
    for (const [resource, amount] of this.#remaining.get(poolName ?? '') ?? []) {
      if (amount - (capacity.get(resource) ?? 0) < (floor?.get(resource) ?? 0)) return false;
    }
    return true;
  }

  /** Whether no NodePool exceeds its limits by more than it did at first. */
  areWithin(): boolean {
    return [...this.#remaining.keys()].every((poolName) => this.allowsReturn(poolName, new Map()));
  }

  /** Adds a node to its NodePool, or removes one when sign is -1. */
  count(poolName: string | undefined, capacity: Requests, sign: 1 | -1): void {
    const remaining = this.#remaining.get(poolName ?? '');
    if (!remaining) return;
    for (const [resource, amount] of remaining) {
      remaining.set(resource, amount - sign * (capacity.get(resource) ?? 0));
    }
  }

  /** Whether a NodeClaim may name `alternative` beside the `planned` type, which is counted already. */
  allowsAlternative(poolName: string, planned: InstanceType, alternative: InstanceType): boolean {
    const remaining = this.#remaining.get(poolName);
    if (!remaining || planned === alternative) return true;
    const counted = capacityOf(planned);
    const capacity = capacityOf(alternative);
    for (const [resource, amount] of remaining) {
      const more = (capacity.get(resource) ?? 0) - (counted.get(resource) ?? 0);
      if (more > 0 && more > amount) return false;
    }
    return true;
  }

  /** Reserves what the largest alternative needs beyond the planned type, so that any of them stays within limits. */
  reserveLargest(poolName: string, planned: InstanceType, alternatives: readonly InstanceType[]): void {
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return;
    const counted = capacityOf(planned);
    const capacities = [...new Set(alternatives)].map(capacityOf);
    for (const [resource, amount] of remaining) {
      const largest = Math.max(0, ...capacities.map((capacity) => capacity.get(resource) ?? 0));
      remaining.set(resource, amount - Math.max(0, largest - (counted.get(resource) ?? 0)));
    }
  }
}

/** Room that limits leave after the plan: the types of its new nodes counted, its removed nodes given back. */
export const limitsAfterPlan = (
  pools: Iterable<NodePool>,
  added: readonly (readonly [poolName: string, type: InstanceType])[],
  removed: readonly { readonly view: { readonly labels: Labels }; readonly capacity?: Requests }[],
): RemainingLimits => {
  const limits = new RemainingLimits(pools);
  for (const [poolName, type] of added) limits.count(poolName, capacityOf(type), 1);
  for (const { view, capacity } of removed) {
    if (capacity) limits.count(poolNameOf(view.labels), capacity, -1);
  }
  return limits;
};

const MIB = 1024 * 1024;

/**
 * Why a NodePool's limits forbid `adds` beside the nodes that it has; undefined when they allow them. Needed because
 * Karpenter checks limits only for what it provisions itself.
 */
export const limitBlocker = (pool: NodePool, adds: readonly NodeCost[]): string | undefined => {
  const added: Readonly<Record<string, number>> = {
    cpu: adds.reduce((sum, node) => sum + node.milliCPU, 0),
    memory: adds.reduce((sum, node) => sum + node.memoryMiB * MIB, 0),
    nodes: adds.length,
  };
  for (const [resource, remaining] of remainingOf(pool)) {
    const more = added[resource];
    if (more === undefined || more <= remaining) continue;
    const used = formatAmount(resource, usedOf(pool, resource));
    return `NodePool ${pool.metadata.name} has a limit of ${pool.spec.limits?.[resource]} for ${resource}: ${used} are there, and the plan adds ${formatAmount(resource, more)} before it removes any`;
  }
  return undefined;
};
