import { isDeepStrictEqual } from 'node:util';
import type { Intent, Result } from '../../api/pinning.ts';
import type { PinsView } from '../rebalanceplan/state/state.ts';

export interface VersionedIntent {
  readonly intent: Intent;
  readonly version: number;
}

/** The intents that hold now, each with the version of its last change, and what the pinners said about them. */
export class IntentRegistry {
  #version = 0;
  #connected = 0;
  #lostAt: number;
  readonly #now: () => number;
  readonly #intents = new Map<string, VersionedIntent>();
  readonly #results = new Map<string, Result>();
  readonly #listeners = new Set<(ids: readonly string[]) => void>();

  /** `now` gives milliseconds since the epoch. */
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

  /** Replaces all intents; only those that differ get a new version. Returns the ids that changed or went. */
  replaceAll(intents: readonly Intent[]): readonly string[] {
    const changed: string[] = [];
    const next = new Set(intents.map((intent) => intent.id));
    for (const intent of intents) {
      if (isDeepStrictEqual(this.#intents.get(intent.id)?.intent, intent)) continue;
      this.#version += 1;
      this.#intents.set(intent.id, { intent, version: this.#version });
      changed.push(intent.id);
    }
    for (const id of this.#intents.keys()) {
      if (next.has(id)) continue;
      this.#version += 1;
      this.#intents.delete(id);
      this.#results.delete(id);
      changed.push(id);
    }
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
    return changed;
  }

  /** Notes a client's answer; false when it is about no intent that holds. */
  record(result: Result): boolean {
    if (!this.#intents.has(result.intentId)) return false;
    this.#results.set(result.intentId, result);
    return true;
  }

  result(id: string): Result | undefined {
    return this.#results.get(id);
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connected(): () => void {
    this.#connected += 1;
    return () => {
      this.#connected -= 1;
      if (this.#connected === 0) this.#lostAt = this.#now();
    };
  }

  /** What the pinner has said about the intents of one plan. */
  viewOf(plan: string): PinsView {
    const ids = [...this.#intents.values()].filter((p) => p.intent.plan === plan).map((p) => p.intent.id);
    return {
      connected: this.#connected > 0,
      goneForMs: this.#connected > 0 ? 0 : this.#now() - this.#lostAt,
      acknowledged: ids.length > 0 && ids.every((id) => this.#results.has(id)),
    };
  }
}
