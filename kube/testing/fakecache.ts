import type { KubeObject } from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';
import { type Cache, type Change, keyOf } from '../cache/cache.ts';

/** A cache that tests and benchmarks fill directly. */
export class FakeCache<T extends KubeObject> implements Cache<T> {
  readonly resource: Resource<T>;
  readonly hasSynced = true;
  readonly absence = undefined;
  readonly #objects = new Map<string, T>();
  readonly #indexes: Readonly<Record<string, (object: T) => readonly string[]>>;
  readonly #found = new Map<string, Map<string, T>>();
  readonly #watchers = new Set<(change: Change<T>) => void>();

  constructor(
    resource: Resource<T>,
    indexes: Readonly<Record<string, (object: T) => readonly string[]>> = {},
  ) {
    this.resource = resource;
    this.#indexes = indexes;
  }

  get size(): number {
    return this.#objects.size;
  }
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }
  list(): readonly T[] {
    return [...this.#objects.values()];
  }
  by(index: string, value: string): readonly T[] {
    return [...(this.#found.get(`${index}/${value}`)?.values() ?? [])];
  }
  onChange(watcher: (change: Change<T>) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
  async synced(): Promise<void> {}
  start(): void {}

  put(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    if (old) this.#place(old, false);
    this.#objects.set(key, object);
    this.#place(object, true);
    this.#tell(old ? { type: 'update', object, old } : { type: 'add', object });
  }

  drop(key: string): void {
    const object = this.#objects.get(key);
    if (!object) return;
    this.#objects.delete(key);
    this.#place(object, false);
    this.#tell({ type: 'delete', object });
  }

  #place(object: T, isThere: boolean): void {
    for (const [index, valuesOf] of Object.entries(this.#indexes)) {
      for (const value of valuesOf(object)) {
        const key = `${index}/${value}`;
        const found = this.#found.get(key) ?? new Map<string, T>();
        if (isThere) found.set(keyOf(object), object);
        else found.delete(keyOf(object));
        this.#found.set(key, found);
      }
    }
  }

  #tell(change: Change<T>): void {
    for (const watcher of this.#watchers) watcher(change);
  }
}
