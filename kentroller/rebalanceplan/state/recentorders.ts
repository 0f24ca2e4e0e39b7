import type { NodeClaim } from '../../../api/objects.ts';
import { clusterCoresOf } from '../../../planner/cluster/clustercores.ts';
import { poolUsageOf } from '../../../planner/cluster/nodepoolusage.ts';
import type { Catalogue } from '../../../planner/model/catalogue.ts';
import { reservedUnderWay } from '../../../planner/model/offers/reservations.ts';
import type { Caches } from '../../caches.ts';
import { isUnlaunched } from './claimnames.ts';
import type { ExecutionState } from './state.ts';
import type { Step } from './step.ts';

/** Longer than a cache is ever behind; an order that it never shows was deleted at once. */
const TTL_MS = 30_000;

/**
 * NodeClaims that plans ordered a moment ago. They are recorded as soon as they are decided, before the next await, so
 * that two plans never share out the same room under a NodePool's limits.
 */
export class RecentOrders {
  readonly #orders = new Map<string, { readonly claim: NodeClaim; readonly at: number }>();

  /** Records the orders among a plan's next steps. `now` in milliseconds since 1970. */
  record(steps: readonly Step[], now: number): void {
    for (const step of steps) {
      if (step.kind === 'create-claim')
        this.#orders.set(step.claim.metadata.name, { claim: step.claim, at: now });
    }
  }

  /** Forgets an order whose write failed. */
  forget(step: Step | undefined): void {
    if (step?.kind === 'create-claim') this.#orders.delete(step.claim.metadata.name);
  }

  /** The cached NodeClaims with the orders that the cache does not show yet. */
  withOrdered(cached: readonly NodeClaim[], now: number): readonly NodeClaim[] {
    if (this.#orders.size === 0) return cached;
    for (const { metadata } of cached) this.#orders.delete(metadata.name);
    for (const [name, { at }] of this.#orders) if (now - at > TTL_MS) this.#orders.delete(name);
    return [...cached, ...[...this.#orders.values()].map(({ claim }) => claim)];
  }
}

/** Sources of what bounds the next orders. */
export interface OrderSources {
  readonly caches: Caches;
  /** NodeClaims that were ordered a moment ago, which the caches may not show yet. */
  readonly orders: RecentOrders;
  /** Most cores of all worker nodes; undefined for any number. */
  readonly maxCores?: () => number | undefined;
  /** False while nobody has ever known that; it is known where left out. */
  readonly knowsLimits?: () => boolean;
}

export const NO_CATALOGUE: Catalogue = { instanceTypes: [] };

export type UnderWay = Pick<
  ExecutionState,
  'poolUsage' | 'clusterCores' | 'knowsLimits' | 'reservedUnderWay' | 'unlaunched'
>;

/**
 * What all plans have under way, as of this moment. Read with no await before the next steps are decided and recorded: two
 * plans that decide on the same reading would both order the last machine.
 */
export const readUnderWay = (
  { caches, orders, maxCores, knowsLimits }: OrderSources,
  { offerings, now }: Pick<ExecutionState, 'offerings' | 'now'>,
): UnderWay => {
  const catalogue = offerings?.catalogue ?? NO_CATALOGUE;
  const nodes = caches.nodes.list();
  const nodeClaims = orders.withOrdered(caches.nodeClaims.list(), now);
  return {
    knowsLimits: knowsLimits?.() ?? true,
    poolUsage: poolUsageOf({ nodePools: caches.nodePools.list(), nodes, nodeClaims }, catalogue),
    clusterCores: clusterCoresOf(maxCores?.(), { nodes, nodeClaims }, catalogue),
    reservedUnderWay: reservedUnderWay(catalogue, nodeClaims),
    unlaunched: nodeClaims.filter(isUnlaunched).length,
  };
};
