import type { KubeObject } from '../../../api/objects.ts';
import type { Resource } from '../../../api/resources.ts';
import type { Cache, Change } from '../../cache/cache.ts';
import { Interner } from '../../cache/intern.ts';
import { type Indexes, Store } from '../../cache/store.ts';
import { trimOf } from '../../cache/trim.ts';
import type { MemoryApi } from './api.ts';

/**
 * A cache of one kind over the API server in memory. Watch messages arrive when a test delivers them, in the order of
 * their kind; a relist skips to the present, as after a lost watch and 410.
 */
export class LaggingCache<T extends KubeObject> implements Cache<T> {
  readonly resource: Resource<T>;
  readonly hasSynced = true;
  readonly absence = undefined;
  readonly #api: MemoryApi;
  readonly #store: Store<T>;
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #interner = new Interner();
  #position: number;
  #version = 0;

  constructor(api: MemoryApi, resource: Resource<T>, indexes: Indexes<T> = {}) {
    this.#api = api;
    this.resource = resource;
    this.#store = new Store(indexes, (change) => {
      for (const handler of this.#handlers) handler(change);
    });
    this.#position = 0;
    this.relist();
  }

  get size(): number {
    return this.#store.size;
  }
  get(key: string): T | undefined {
    return this.#store.get(key);
  }
  list(): readonly T[] {
    return this.#store.list();
  }
  by(index: string, value: string): readonly T[] {
    return this.#store.by(index, value);
  }
  onChange(handler: (change: Change<T>) => void): () => void {
    for (const object of this.#store.list()) handler({ type: 'add', object });
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  }
  async synced(): Promise<void> {}
  start(): void {}

  /** Number of messages on their way. */
  get pending(): number {
    return this.#api.store.log(this.resource).length - this.#position;
  }

  /** The resourceVersion of the last message that arrived. */
  get version(): number {
    return this.#version;
  }

  #trim(object: KubeObject): T {
    // A copy: the trim takes managedFields off what it is given.
    const copy = { ...object, metadata: { ...object.metadata } };
    return trimOf(this.resource)(copy as T, this.#interner);
  }

  /** Delivers the next messages. */
  deliver(count = 1): void {
    const log = this.#api.store.log(this.resource);
    const end = Math.min(log.length, this.#position + count);
    for (; this.#position < end; this.#position++) {
      const message = log[this.#position];
      if (!message) return;
      this.#version = Number(message.object.metadata.resourceVersion);
      if (message.type === 'put') this.#store.upsert(this.#trim(message.object));
      else this.#store.remove(message.object as T);
    }
  }

  /** Replaces the contents by a list of the present. */
  relist(): void {
    this.#position = this.#api.store.log(this.resource).length;
    this.#version = this.#api.store.version;
    this.#store.beginReplace();
    for (const object of this.#api.list(this.resource)) this.#store.upsert(this.#trim(object));
    this.#store.endReplace();
  }
}
