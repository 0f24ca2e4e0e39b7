import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import type { Cache, Change } from '../../kube/cache/cache.ts';

/** The slots of one plan, under its name. */
interface PlanSlotsObject extends KubeObject {
  readonly slots: readonly Intent[];
}

/** The slots of running plans while pods are steered by policy; a controller watches them like objects of a cache. */
export class PlanSlots implements Pick<Cache<PlanSlotsObject>, 'onChange' | 'start' | 'synced'> {
  readonly #plans = new Map<string, PlanSlotsObject>();
  /** Names of plans by the uid of an owner. */
  #byOwner: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  readonly #listeners = new Set<(change: Change<PlanSlotsObject>) => void>();

  start(): void {}

  async synced(): Promise<void> {}

  onChange(listener: (change: Change<PlanSlotsObject>) => void): () => void {
    this.#listeners.add(listener);
    for (const object of this.#plans.values()) listener({ type: 'add', object });
    return () => this.#listeners.delete(listener);
  }

  /** The slots of a plan: the same list until one of them changes. */
  of(plan: string): readonly Intent[] | undefined {
    return this.#plans.get(plan)?.slots;
  }

  /** Names of the plans that have slots for pods of an owner. */
  plansOf(ownerUid: string): Iterable<string> {
    return this.#byOwner.get(ownerUid) ?? [];
  }

  /** Replaces all slots, which are pin intents for owners. */
  replaceAll(slots: readonly Intent[]): void {
    const next = Map.groupBy(slots, ({ plan }) => plan);
    const changes: Change<PlanSlotsObject>[] = [];
    for (const [name, own] of next) {
      const old = this.#plans.get(name);
      if (old && isDeepStrictEqual(old.slots, own)) continue;
      const object = { metadata: { name }, slots: own };
      this.#plans.set(name, object);
      changes.push(old ? { type: 'update', object, old } : { type: 'add', object });
    }
    for (const [name, object] of this.#plans) {
      if (next.has(name)) continue;
      this.#plans.delete(name);
      changes.push({ type: 'delete', object });
    }
    if (changes.length === 0) return;
    const byOwner = new Map<string, Set<string>>();
    for (const { plan, pin } of slots) {
      const uid = pin?.owner?.uid ?? '';
      byOwner.set(uid, (byOwner.get(uid) ?? new Set()).add(plan));
    }
    this.#byOwner = byOwner;
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }
}
