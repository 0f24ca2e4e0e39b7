import { isDeepStrictEqual } from 'node:util';
import type { Intent } from '../../api/pinning.ts';

/** Intents that come of no plan, as they hold now; whoever posts intents adds them to those of the plans. */
export class ExtraIntents {
  #intents: readonly Intent[] = [];
  readonly #listeners = new Set<() => void>();

  list(): readonly Intent[] {
    return this.#intents;
  }

  put(intents: readonly Intent[]): void {
    if (isDeepStrictEqual(this.#intents, intents)) return;
    this.#intents = intents;
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
