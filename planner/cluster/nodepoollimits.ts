import type { NodePool } from '../../api/objects.ts';
import { amount, formatAmount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Requests } from '../scheduling/noderesources.ts';

/** What each NodePool with limits has of a resource now, per NodePool and resource. */
export type PoolUsage = ReadonlyMap<string, Requests>;

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

/** What a NodePool may still grow by, per limited resource; empty without limits, below 0 where a limit is exceeded. */
const remainingOf = (pool: NodePool, used: Requests | undefined): Requests =>
  new Map(
    Object.entries(pool.spec.limits ?? {}).map(([resource, limit]) => [
      resource,
      amount(resource, limit) -
        (used?.get(resource) ?? amount(resource, valueAt(pool.status?.resources, resource) ?? '0')),
    ]),
  );

/** Per limited resource, the most that one of the types has. */
const largestOf = (types: readonly InstanceType[], resource: string): number =>
  Math.max(0, ...types.map((type) => capacityOf(type).get(resource) ?? 0));

/**
 * What NodePools with limits may still grow by, while nodes are added. Nodes that a plan removes give nothing back: they
 * are there until the added ones are ready. Karpenter checks limits only for what it provisions itself.
 */
export class RemainingLimits {
  readonly #pools = new Map<string, NodePool>();
  readonly #remaining = new Map<string, Requests>();
  /** 0, or below it where a NodePool was over its limits at first. */
  readonly #floor = new Map<string, Requests>();

  /** The usage of a NodePool that `usage` lacks is what its status says. */
  constructor(pools: Iterable<NodePool>, usage: PoolUsage = new Map()) {
    for (const pool of pools) {
      const remaining = remainingOf(pool, usage.get(pool.metadata.name));
      if (remaining.size === 0) continue;
      this.#pools.set(pool.metadata.name, pool);
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

  /** Why not even the smallest of these types may be added; undefined when one may. */
  blocker(poolName: string, types: readonly InstanceType[]): string | undefined {
    const pool = this.#pools.get(poolName);
    if (!pool || types.some((type) => this.allows(poolName, type))) return undefined;
    for (const [resource, left] of this.#remaining.get(poolName) ?? []) {
      const least = Math.min(...types.map((type) => capacityOf(type).get(resource) ?? 0));
      if (types.length === 0 || least > left) {
        const room =
          left > 0 ? `only ${formatAmount(resource, left)} of it is left` : 'nothing of it is left';
        return `NodePool ${poolName} has a limit of ${valueAt(pool.spec.limits, resource)} for ${resource}, and ${room}`;
      }
    }
    return `the limits of NodePool ${poolName} leave no room for any of these instance types`;
  }

  /** Adds a node, or takes it away again when sign is -1. */
  count(poolName: string, type: InstanceType, sign: 1 | -1): void {
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return;
    const capacity = capacityOf(type);
    for (const [resource, amount] of remaining) {
      remaining.set(resource, amount - sign * (capacity.get(resource) ?? 0));
    }
  }

  /** Adds a node that may become any of these types: the largest counts, as for Karpenter (subtractMax). */
  countLargest(poolName: string, types: readonly InstanceType[]): void {
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return;
    for (const [resource, amount] of remaining) {
      remaining.set(resource, amount - (resource === 'nodes' ? 1 : largestOf(types, resource)));
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
    const types = [...new Set(alternatives)];
    for (const [resource, amount] of remaining) {
      const more = largestOf(types, resource) - (counted.get(resource) ?? 0);
      remaining.set(resource, amount - Math.max(0, more));
    }
  }

  /** Whether no NodePool exceeds its limits by more than it did at first. */
  areKept(): boolean {
    return [...this.#remaining].every(([poolName, remaining]) =>
      [...remaining].every(([r, amount]) => amount >= (this.#floor.get(poolName)?.get(r) ?? 0)),
    );
  }
}

/** Room that limits leave beside a plan's new nodes, while the nodes that it removes are still there. */
export const limitsBesidePlan = (
  pools: Iterable<NodePool>,
  usage: PoolUsage,
  added: readonly (readonly [poolName: string, type: InstanceType])[],
): RemainingLimits => {
  const limits = new RemainingLimits(pools, usage);
  for (const [poolName, type] of added) limits.count(poolName, type, 1);
  return limits;
};
