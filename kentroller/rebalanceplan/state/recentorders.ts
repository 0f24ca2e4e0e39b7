import type { NodeClaim } from '../../../api/objects.ts';
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
