import { isDeepStrictEqual } from 'node:util';
import type { Intent, Result } from '../../api/pinning.ts';
import type { PinsView } from '../rebalanceplan/state/state.ts';

export interface VersionedIntent {
  readonly intent: Intent;
  readonly version: number;
}

/** The current intents, each with the version of its last change, and the pinners' latest result for each. */
export class IntentRegistry {
  #version = 0;
  #connected = 0;
  #lostAt: number;
  readonly #now: () => number;
  readonly #intents = new Map<string, VersionedIntent>();
  /** Ids of the current intents of each plan. */
  readonly #idsOf = new Map<string, Set<string>>();
  /** Plans whose intents are all here; undefined for every plan. */
  #complete: ReadonlySet<string> | undefined;
  readonly #results = new Map<string, Result>();
  readonly #listeners = new Set<(ids: readonly string[]) => void>();

  /** `now` in milliseconds since 1970. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#lostAt = now();
  }

  get version(): number {
    return this.#version;
  }

  get(id: string): VersionedIntent | undefined {
    return this.#intents.get(id);
  }

  ids(): readonly string[] {
    return [...this.#intents.keys()];
  }

  /**
   * Replaces all intents; only those that differ get a new version. Returns the ids that changed or were removed.
   * `complete` are the plans that will get no further intents; every plan when left out.
   */
  replaceAll(intents: readonly Intent[], complete?: ReadonlySet<string>): readonly string[] {
    this.#complete = complete;
    const changed: string[] = [];
    const next = new Set(intents.map((intent) => intent.id));
    for (const intent of intents) {
      const known = this.#intents.get(intent.id);
      if (known?.intent === intent) continue;
      const isEqual = known !== undefined && isDeepStrictEqual(known.intent, intent);
      const version = isEqual ? known.version : this.#version + 1;
      this.#intents.set(intent.id, { intent, version });
      if (isEqual) continue;
      this.#version = version;
      if (known) this.#forget(known.intent);
      this.#idsOf.set(intent.plan, (this.#idsOf.get(intent.plan) ?? new Set()).add(intent.id));
      changed.push(intent.id);
    }
    for (const [id, { intent }] of this.#intents) {
      if (next.has(id)) continue;
      this.#version += 1;
      this.#intents.delete(id);
      this.#forget(intent);
      this.#results.delete(id);
      changed.push(id);
    }
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
    return changed;
  }

  #forget({ plan, id }: Intent): void {
    const ids = this.#idsOf.get(plan);
    ids?.delete(id);
    if (ids?.size === 0) this.#idsOf.delete(plan);
  }

  /** Stores a client's result; false when its intent is not current. */
  record(result: Result): boolean {
    if (!this.#intents.has(result.intentId)) return false;
    this.#results.set(result.intentId, result);
    return true;
  }

  resultOf(id: string): Result | undefined {
    return this.#results.get(id);
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Counts a connected pinner until the returned function is called. */
  connect(): () => void {
    this.#connected += 1;
    return () => {
      this.#connected -= 1;
      if (this.#connected === 0) this.#lostAt = this.#now();
    };
  }

  /** The pinners' connection, and their results for the intents of one plan. */
  viewOf(plan: string): PinsView {
    const ids = [...(this.#idsOf.get(plan) ?? [])];
    const intents = ids.flatMap((id) => this.#intents.get(id)?.intent ?? []);
    return {
      connected: this.#connected > 0,
      goneForMs: this.#connected > 0 ? 0 : this.#now() - this.#lostAt,
      acknowledged:
        (this.#complete?.has(plan) ?? true) && ids.length > 0 && ids.every((id) => this.#results.has(id)),
      closedNodes: intents.flatMap(({ id, nodeName, pin }) => {
        const result = this.#results.get(id);
        const isClosed = pin?.owner !== undefined && result?.state === 'REJECTED';
        return isClosed ? [{ node: nodeName, reason: result.reason }] : [];
      }),
    };
  }
}
