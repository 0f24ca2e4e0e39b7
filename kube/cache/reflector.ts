import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../api/objects.ts';
import { isGone, isUnserved, KubeError, lacksRight } from '../errors.ts';
import { listAll } from './list.ts';
import { isUnreadable, type Scope, type WatchEvent, watch } from './watch.ts';

/** Receives the objects and changes that list and watch find. */
export interface Sink<T> {
  upsert(object: T): void;
  remove(object: T): void;
  beginReplace(): void;
  endReplace(): void;
  cancelReplace(): void;
}

export interface ReflectOptions<T extends KubeObject> {
  readonly scope: Scope<T>;
  readonly sink: Sink<T>;
  readonly trim: (raw: T) => T;
  readonly signal: AbortSignal;
  /** The sink holds everything that existed at one moment. */
  readonly onSynced: () => void;
  /** Reports a failure that is retried after this many milliseconds. */
  readonly onFailure: (e: unknown, afterMs: number) => void;
  readonly onRelist: () => void;
  /** False to list in pages even where the server could stream the list. */
  readonly canStreamLists: boolean;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
}

/** Longest pause between two tries of a list or watch that fails; each takes half of it at least. */
export const LONGEST_PAUSE_MS = 30_000;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';
// Minimum life of a good watch; a shorter one counts as a failure, so that a server in trouble is not hammered.
const GOOD_WATCH_MS = 2000;
// The answer of servers without WatchList to sendInitialEvents.
const REFUSALS = [400, 405, 415, 422];

/** 300 to 600 s, as in client-go, so that not all watches end at once. */
const timeoutSeconds = (): number => Math.round(300 + Math.random() * 300);

/** Follows one collection: fills the sink, then keeps it up to date until the signal aborts. */
export class Reflector<T extends KubeObject> {
  readonly #o: ReflectOptions<T>;
  #position: string | undefined;
  #canWatchList: boolean;
  #canReadProtobuf = true;
  #failures = 0;

  constructor(o: ReflectOptions<T>) {
    this.#o = o;
    this.#canWatchList = o.canStreamLists;
  }

  async run(): Promise<void> {
    const { signal } = this.#o;
    while (!signal.aborted) {
      const since = performance.now();
      try {
        await this.#follow();
        if (performance.now() - since > GOOD_WATCH_MS) this.#failures = 0;
        else await this.#pause(undefined);
      } catch (e) {
        this.#o.sink.cancelReplace();
        if (signal.aborted) return;
        if (performance.now() - since > GOOD_WATCH_MS) this.#failures = 0;
        await this.#recover(e);
      }
    }
  }

  async #recover(e: unknown): Promise<void> {
    if (isUnreadable(e)) this.#canReadProtobuf = false;
    // Only a list tells whether there is nothing to watch, and what has changed since.
    if (this.#position !== undefined && (isUnserved(e) || lacksRight(e))) {
      this.#position = undefined;
      await this.#pause(undefined);
      return;
    }
    if (isGone(e) || isTooLarge(e)) {
      this.#position = undefined;
      // The first relist comes at once: until it is done, the cache is behind.
      if (this.#failures++ === 0) return;
    }
    if (this.#position === undefined && this.#canWatchList && e instanceof KubeError) {
      if (REFUSALS.includes(e.status ?? 0)) {
        this.#canWatchList = false;
        return;
      }
    }
    await this.#pause(e);
  }

  async #pause(e: unknown): Promise<void> {
    const { firstMs, maxMs } = this.#o.backoff ?? { firstMs: 100, maxMs: LONGEST_PAUSE_MS };
    const own = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures, 20)) * (0.5 + Math.random() / 2);
    const afterMs = Math.max(own, e instanceof KubeError ? (e.retryAfterMs ?? 0) : 0);
    this.#failures++;
    if (e !== undefined) this.#o.onFailure(e, afterMs);
    await sleep(afterMs, undefined, { signal: this.#o.signal }).catch(() => {});
  }

  async #follow(): Promise<void> {
    const { scope, signal } = this.#o;
    if (this.#position === undefined && !this.#canWatchList) await this.#list();
    if (this.#position === undefined) {
      this.#o.onRelist();
      this.#o.sink.beginReplace();
    }
    await watch(
      this.#canReadProtobuf ? scope : { ...scope, schema: undefined },
      { resourceVersion: this.#position, timeoutSeconds: timeoutSeconds(), signal },
      (event) => this.#take(event),
    );
    if (this.#position === undefined)
      throw new KubeError(`the list of ${scope.resource.plural} ended before it was complete`, {
        kind: 'retryable',
      });
  }

  async #list(): Promise<void> {
    const { scope, sink, signal, trim } = this.#o;
    this.#o.onRelist();
    sink.beginReplace();
    const version = await listAll(scope, signal, (raw) => sink.upsert(trim(raw)));
    if (signal.aborted) return;
    sink.endReplace();
    this.#position = version;
    this.#o.onSynced();
  }

  #take(event: WatchEvent<T>): void {
    const { sink, trim } = this.#o;
    if (event.type === 'DELETED') sink.remove(trim(event.object));
    else if (event.type !== 'BOOKMARK') sink.upsert(trim(event.object));
    else if (this.#position === undefined) {
      if (event.object.metadata.annotations?.[INITIAL_EVENTS_END] !== 'true') return;
      sink.endReplace();
      this.#position = event.object.metadata.resourceVersion;
      this.#o.onSynced();
      return;
    }
    // Without the complete initial events there is no version to resume from.
    if (this.#position !== undefined) this.#position = event.object.metadata.resourceVersion;
  }
}

/** The server does not have a version as new as ours: it was restored from a backup, or lags behind. */
const isTooLarge = (e: unknown): boolean =>
  e instanceof KubeError && e.status === 504 && e.message.includes('Too large resource version');
