import type { Registry } from 'prom-client';
import type { KubeObject } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Resource } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { counter, gauge } from '../component/metrics.ts';
import { aborted, isForbidden, isUnserved, KubeError, lacksRight, messageOf } from '../errors.ts';
import { MESSAGES } from '../protobuf/schema.ts';
import { Interner } from './intern.ts';
import { Reflector } from './reflector.ts';
import { type Change, type Indexes, Store } from './store.ts';
import { type Trim, trimOf } from './trim.ts';

export { type Change, keyOf } from './store.ts';

/** The server never served the kind, does not any more, or gives us no right to it; then what was read before is kept. */
export type Absence = 'unserved' | 'removed' | 'forbidden';

/** A local copy of one kind, kept up to date by list and watch. Keys are 'namespace/name', or 'name'. */
export interface Cache<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly size: number;
  readonly hasSynced: boolean;
  /** Why the objects of an optional kind are not known; undefined while they are. */
  readonly absence: Absence | undefined;
  get(key: string): T | undefined;
  list(): readonly T[];
  /** The objects under one value of an index. Throws TypeError for an index that the cache does not have. */
  by(index: string, value: string): readonly T[];
  /** Subscribes; objects already in the cache arrive as adds at once. A handler that throws is counted and logged. */
  onChange(handler: (change: Change<T>) => void): () => void;
  /** Resolves with the first complete list. Throws KubeError when the server refuses us for 10 s or is away for 30 s. */
  synced(signal?: AbortSignal): Promise<void>;
  /** Follows the server until the signal aborts; once running, another call does nothing. */
  start(signal: AbortSignal): void;
}

export interface CacheOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Trims an object; by default to the fields that api/objects.ts declares for its kind. */
  readonly trim?: Trim<T>;
  readonly indexes?: Indexes<T>;
  readonly log: Logger;
  readonly metrics?: Registry;
  /** Milliseconds without a byte after which a watch counts as dead; the server sends a bookmark each minute. */
  readonly inactivityMs?: number;
  /** False to list in pages even where the server could stream the list (WatchList). */
  readonly canStreamLists?: boolean;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /** Milliseconds that `synced` waits for a server that refuses us, and for one that is away. */
  readonly patience?: { readonly refusedMs: number; readonly awayMs: number };
  /** True for a kind that the server need not serve, or not to us: the cache has synced then, and tells its absence. */
  readonly isOptional?: boolean;
}

const PATIENCE = { refusedMs: 10_000, awayMs: 30_000 };

interface Counts {
  event(type: string): void;
  relist(): void;
  failure(): void;
  handlerError(): void;
}

const observe = (registry: Registry | undefined, kind: string, size: () => number): Counts => {
  if (!registry) return { event: () => {}, relist: () => {}, failure: () => {}, handlerError: () => {} };
  const events = counter(registry, 'kube_cache_changes_total', 'Changes taken in', ['kind', 'type']);
  const relists = counter(registry, 'kube_cache_lists_total', 'Lists of everything', ['kind']);
  const failures = counter(registry, 'kube_cache_failures_total', 'Lists and watches that failed', ['kind']);
  const errors = counter(registry, 'kube_cache_handler_errors_total', 'Handlers that threw', ['kind']);
  for (const each of [failures, errors]) each.inc({ kind }, 0);
  const objects = gauge(registry, 'kube_cache_objects', 'Objects held', ['kind']);
  return {
    event: (type) => {
      events.inc({ kind, type });
      objects.set({ kind }, size());
    },
    relist: () => relists.inc({ kind }),
    failure: () => failures.inc({ kind }),
    handlerError: () => errors.inc({ kind }),
  };
};

class ListWatchCache<T extends KubeObject> implements Cache<T> {
  readonly resource: Resource<T>;
  readonly #o: CacheOptions<T>;
  readonly #store: Store<T>;
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #waiting = new Set<{ resolve: () => void; reject: (e: unknown) => void }>();
  readonly #counts: Counts;
  readonly #log: Logger;
  #running: AbortSignal | undefined;
  #hasSynced = false;
  #wasRead = false;
  #absence: Absence | undefined;
  #failingSince: number | undefined;

  constructor(o: CacheOptions<T>) {
    this.#o = o;
    this.resource = o.resource;
    this.#log = o.log.child({ kind: o.resource.kind });
    this.#store = new Store(o.indexes ?? {}, (change) => this.#tell(change));
    this.#counts = observe(o.metrics, o.resource.kind, () => this.#store.size);
  }

  get size(): number {
    return this.#store.size;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get absence(): Absence | undefined {
    return this.#absence;
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
    // A wrapper, so that one function subscribed twice is two subscriptions.
    const own = (change: Change<T>): void => handler(change);
    for (const object of this.#store.list()) this.#call(own, { type: 'add', object });
    this.#handlers.add(own);
    return () => void this.#handlers.delete(own);
  }

  #tell(change: Change<T>): void {
    this.#counts.event(change.type);
    for (const handler of this.#handlers) this.#call(handler, change);
  }

  #call(handler: (change: Change<T>) => unknown, change: Change<T>): void {
    const report = (err: unknown): void => {
      this.#counts.handlerError();
      this.#log.error({ err, name: change.object.metadata.name }, 'cache handler failed');
    };
    try {
      const result = handler(change);
      if (result instanceof Promise) result.catch(report);
    } catch (e) {
      report(e);
    }
  }

  start(signal: AbortSignal): void {
    if (signal.aborted || (this.#running && !this.#running.aborted)) return;
    this.#running = signal;
    this.#failingSince = undefined;
    const { client, resource, namespace, labelSelector, fieldSelector } = this.#o;
    const interner = new Interner();
    const trim = this.#o.trim ?? trimOf(resource);
    const reflector = new Reflector<T>({
      scope: {
        client,
        resource,
        ...(namespace && { namespace }),
        ...(labelSelector && { labelSelector }),
        ...(fieldSelector && { fieldSelector }),
        inactivityMs: this.#o.inactivityMs ?? 90_000,
        // A custom trim may read fields that the schema does not name.
        schema: this.#o.trim ? undefined : valueAt(MESSAGES, `${resource.group}/${resource.kind}`),
      },
      sink: this.#store,
      trim: (raw) => trim(raw, interner),
      signal,
      onSynced: () => {
        this.#wasRead = true;
        this.#onSynced(undefined);
      },
      onFailure: (e, afterMs) => this.#onFailure(e, afterMs),
      canStreamLists: this.#o.canStreamLists ?? true,
      onRelist: () => this.#counts.relist(),
      ...(this.#o.backoff && { backoff: this.#o.backoff }),
    });
    void reflector.run();
  }

  #onSynced(absence: Absence | undefined): void {
    this.#failingSince = undefined;
    this.#absence = absence;
    if (!this.#hasSynced) this.#log.debug({ objects: this.size }, 'cache synced');
    this.#hasSynced = true;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** An optional kind that is not served, now or any more, has no objects; one that we may not list is as good as that. */
  #isAbsent(e: unknown): boolean {
    if (!this.#o.isOptional) return false;
    if (isUnserved(e)) {
      this.#store.beginReplace();
      this.#store.endReplace();
      this.#onSynced(this.#wasRead ? 'removed' : 'unserved');
      return true;
    }
    if (lacksRight(e)) this.#onSynced('forbidden');
    return false;
  }

  #onFailure(e: unknown, afterMs: number): void {
    if (this.#isAbsent(e)) return;
    this.#counts.failure();
    const reason = messageOf(e);
    this.#log.warn({ reason, afterMs: Math.round(afterMs) }, 'list or watch failed');
    if (this.#hasSynced) return;
    this.#failingSince ??= performance.now();
    const { refusedMs, awayMs } = this.#o.patience ?? PATIENCE;
    const patience = isForbidden(e) ? refusedMs : awayMs;
    if (performance.now() - this.#failingSince + afterMs < patience) return;
    for (const { reject } of this.#waiting) reject(this.#explain(e));
    this.#waiting.clear();
  }

  #explain(cause: unknown): KubeError {
    const { group, plural } = this.resource;
    const what = group === '' ? plural : `${plural}.${group}`;
    const reason = messageOf(cause);
    const hint = isUnserved(cause) ? '; is its CustomResourceDefinition installed?' : '';
    return new KubeError(`cannot list ${what}: ${reason}${hint}`, {
      kind: cause instanceof KubeError ? cause.kind : 'retryable',
      cause,
    });
  }

  async synced(signal?: AbortSignal): Promise<void> {
    if (this.#hasSynced) return;
    if (signal?.aborted) throw aborted(signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    const stop = (): void => reject(aborted(signal));
    this.#waiting.add(waiter);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await promise;
    } finally {
      this.#waiting.delete(waiter);
      signal?.removeEventListener('abort', stop);
    }
  }
}

/** A cache of one kind; nothing is fetched before start. */
export const createCache = <T extends KubeObject>(o: CacheOptions<T>): Cache<T> => new ListWatchCache(o);
