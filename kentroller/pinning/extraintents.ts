import { isDeepStrictEqual } from 'node:util';
import type { Intent } from '../../api/pinning.ts';

/** The current intents that belong to no plan; publishIntents adds them to those of the plans. */
export class ExtraIntents {
  #intents: readonly Intent[] = [];
  readonly #listeners = new Set<() => void>();

  list(): readonly Intent[] {
    return this.#intents;
  }

  replaceAll(intents: readonly Intent[]): void {
    if (isDeepStrictEqual(this.#intents, intents)) return;
    this.#intents = intents;
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
