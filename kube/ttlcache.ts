interface Entry<V> {
  readonly value: V;
  readonly until: number;
}

/** A map with one TTL and a maximum size; the oldest entries go first. */
export class TtlCache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #o: { readonly ttlMs: number; readonly maxSize: number; readonly now: () => number };

  constructor(o: { readonly ttlMs: number; readonly maxSize: number; readonly now: () => number }) {
    this.#o = o;
  }

  get(key: string): V | undefined {
    const found = this.#entries.get(key);
    return found && found.until > this.#o.now() ? found.value : undefined;
  }

  set(key: string, value: V): void {
    const { ttlMs, maxSize, now } = this.#o;
    // Entries in order of time, the oldest first.
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: now() + ttlMs });
    for (const [oldest, { until }] of this.#entries) {
      if (until > now() && this.#entries.size <= maxSize) break;
      this.#entries.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
