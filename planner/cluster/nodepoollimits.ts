import type { NodePool } from '../../api/objects.ts';
import { amount, formatAmount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { InstanceType } from '../model/catalogue.ts';
import { poolLimits } from '../model/nodepool.ts';
import type { Requests } from '../scheduling/noderesources.ts';

/** What each NodePool with limits has of a resource now, per NodePool and resource. */
export type PoolUsage = ReadonlyMap<string, Requests>;

/** Cores of all worker nodes, machines under way included, and how many there may be; in millicores. */
export interface ClusterCores {
  readonly max: number;
  readonly used: number;
}

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
    Object.entries(poolLimits(pool)).map(([resource, limit]) => [
      resource,
      amount(resource, limit) -
        (used?.get(resource) ?? amount(resource, valueAt(pool.status?.resources, resource) ?? '0')),
    ]),
  );

/** Per limited resource, the most that one of the types has. */
const largestOf = (types: readonly InstanceType[], resource: string): number =>
  Math.max(0, ...types.map((type) => capacityOf(type).get(resource) ?? 0));

/**
 * What NodePools with limits, and the cluster where it has one, may still grow by, while nodes are added. Nodes that a plan removes give nothing back: they
 * are there until the added ones are ready. Karpenter checks limits only for what it provisions itself.
 */
export class RemainingLimits {
  readonly #pools = new Map<string, NodePool>();
  readonly #remaining = new Map<string, Requests>();
  /** 0, or below it where a NodePool was over its limits at first. */
  readonly #floor = new Map<string, Requests>();
  readonly #cluster: ClusterCores | undefined;
  /** Millicores that the cluster may still grow by. */
  #coresLeft: number;

  /** The usage of a NodePool that `usage` lacks is what its status says. */
  constructor(pools: Iterable<NodePool>, usage: PoolUsage = new Map(), cluster?: ClusterCores) {
    this.#cluster = cluster;
    this.#coresLeft = cluster ? cluster.max - cluster.used : Number.POSITIVE_INFINITY;
    for (const pool of pools) {
      const remaining = remainingOf(pool, usage.get(pool.metadata.name));
      if (remaining.size === 0) continue;
      this.#pools.set(pool.metadata.name, pool);
      this.#remaining.set(pool.metadata.name, remaining);
      this.#floor.set(pool.metadata.name, new Map([...remaining].map(([r, n]) => [r, Math.min(0, n)])));
    }
  }

  /** Whether neither a NodePool nor the cluster has limits. */
  isEmpty(): boolean {
    return this.#remaining.size === 0 && !this.#cluster;
  }

  isLimited(poolName: string): boolean {
    return this.#remaining.has(poolName) || this.#cluster !== undefined;
  }

  /** Whether one more node of the type stays within the NodePool's limits. */
  allows(poolName: string, type: InstanceType): boolean {
    return this.clusterAllows(type) && this.#poolAllows(poolName, type);
  }

  #poolAllows(poolName: string, type: InstanceType): boolean {
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return true;
    const capacity = capacityOf(type);
    for (const [resource, amount] of remaining) if ((capacity.get(resource) ?? 0) > amount) return false;
    return true;
  }

  /** Whether the cluster's cores leave room for one more node of the type. */
  clusterAllows({ capacity }: InstanceType): boolean {
    return capacity.cpu <= this.#coresLeft;
  }

  /** Why the cluster's cores leave no room for any of the types that the NodePool's own limits allow. */
  clusterBlocker(poolName: string, types: readonly InstanceType[]): string | undefined {
    const allowed = types.filter((type) => this.#poolAllows(poolName, type));
    if (!this.#cluster || allowed.length === 0 || allowed.some((type) => this.clusterAllows(type)))
      return undefined;
    const left =
      this.#coresLeft > 0
        ? `only ${formatAmount('cpu', this.#coresLeft)} of them are left`
        : 'none of them is left';
    return `the cluster may have ${formatAmount('cpu', this.#cluster.max)} cores (clusterLimits.cpu.maxCores of the AutoscalerPolicy), and ${left}`;
  }

  /** Why not even the smallest of these types may be added; undefined when one may. */
  blocker(poolName: string, types: readonly InstanceType[]): string | undefined {
    const ofCluster = this.clusterBlocker(poolName, types);
    if (ofCluster) return ofCluster;
    const pool = this.#pools.get(poolName);
    if (!pool || types.some((type) => this.#poolAllows(poolName, type))) return undefined;
    for (const [resource, left] of this.#remaining.get(poolName) ?? []) {
      const least = Math.min(...types.map((type) => capacityOf(type).get(resource) ?? 0));
      if (types.length === 0 || least > left) {
        const room =
          left > 0 ? `only ${formatAmount(resource, left)} of it is left` : 'nothing of it is left';
        return `NodePool ${poolName} has a limit of ${valueAt(poolLimits(pool), resource)} for ${resource}, and ${room}`;
      }
    }
    return `the limits of NodePool ${poolName} leave no room for any of these instance types`;
  }

  /** Adds a node, or takes it away again when sign is -1. */
  count(poolName: string, type: InstanceType, sign: 1 | -1): void {
    this.#coresLeft -= sign * type.capacity.cpu;
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return;
    const capacity = capacityOf(type);
    for (const [resource, amount] of remaining) {
      remaining.set(resource, amount - sign * (capacity.get(resource) ?? 0));
    }
  }

  /** Adds a node that may become any of these types: the largest counts, as for Karpenter (subtractMax). */
  countLargest(poolName: string, types: readonly InstanceType[]): void {
    this.#coresLeft -= largestOf(types, 'cpu');
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return;
    for (const [resource, amount] of remaining) {
      remaining.set(resource, amount - (resource === 'nodes' ? 1 : largestOf(types, resource)));
    }
  }

  /** Whether a NodeClaim may name `alternative` beside the `planned` type, which is counted already. */
  allowsAlternative(poolName: string, planned: InstanceType, alternative: InstanceType): boolean {
    if (planned === alternative) return true;
    const moreCores = alternative.capacity.cpu - planned.capacity.cpu;
    if (moreCores > 0 && moreCores > this.#coresLeft) return false;
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return true;
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
    this.#coresLeft -= Math.max(0, largestOf(alternatives, 'cpu') - planned.capacity.cpu);
    const remaining = this.#remaining.get(poolName);
    if (!remaining) return;
    const counted = capacityOf(planned);
    const types = [...new Set(alternatives)];
    for (const [resource, amount] of remaining) {
      const more = largestOf(types, resource) - (counted.get(resource) ?? 0);
      remaining.set(resource, amount - Math.max(0, more));
    }
  }

  /** Whether neither the cluster nor a NodePool exceeds its limits by more than it did at first. */
  areKept(): boolean {
    const { max = 0, used = 0 } = this.#cluster ?? {};
    if (this.#cluster && this.#coresLeft < Math.min(0, max - used)) return false;
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
  cluster?: ClusterCores,
): RemainingLimits => {
  const limits = new RemainingLimits(pools, usage, cluster);
  for (const [poolName, type] of added) limits.count(poolName, type, 1);
  return limits;
};
