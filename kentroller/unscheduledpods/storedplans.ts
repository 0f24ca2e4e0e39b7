import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';

/** Milliseconds after which the cache shows a plan that was stored, or never will. */
const TTL_MS = 10_000;

/**
 * Plans that were stored a moment ago, while the cache does not show them, or shows them before they were to be executed.
 * Each is recorded before its first write: where the answer to one is lost, its pods are not bought for again.
 */
export class StoredPlans {
  readonly #plans = new Map<string, { readonly plan: RebalancePlan; readonly at: number }>();

  record(plan: RebalancePlan, now: number): void {
    this.#plans.set(plan.metadata.name, { plan, at: now });
  }

  has(name: string): boolean {
    return this.#plans.has(name);
  }

  /** The cached plans with those that the cache does not show yet. */
  withStored(cached: readonly RebalancePlan[], now: number): readonly RebalancePlan[] {
    for (const [name, { at }] of this.#plans) if (now - at > TTL_MS) this.#plans.delete(name);
    for (const { metadata, spec } of cached) if (spec.execute) this.#plans.delete(metadata.name);
    if (this.#plans.size === 0) return cached;
    return [
      ...cached.filter(({ metadata }) => !this.#plans.has(metadata.name)),
      ...[...this.#plans.values()].map(({ plan }) => plan),
    ];
  }
}
