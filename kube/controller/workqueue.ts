import { TokenBucket } from '../client/ratelimit.ts';

/** Metrics of a queue; the names are those of client-go. */
export interface QueueObserver {
  added(depth: number): void;
  /** A key was taken after it had waited for this many seconds. */
  taken(depth: number, waitedSeconds: number): void;
  done(workedSeconds: number): void;
  retried(): void;
}

export interface QueueOptions {
  /** First and longest delay of a key that keeps failing, in milliseconds. */
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  /** Limit on all failing keys together: rate per second and burst. */
  readonly qps?: number;
  readonly burst?: number;
  readonly observer?: QueueObserver;
}

/** Longest delay of a key that keeps failing. */
export const LONGEST_DELAY_MS = 60_000;

interface Timer {
  readonly at: number;
  readonly handle: NodeJS.Timeout;
}

/**
 * A work queue with client-go's rules: a waiting key is queued once, a key added during its work comes again
 * afterwards, and two workers never hold the same key.
 */
export class WorkQueue {
  readonly #dirty = new Set<string>();
  readonly #processing = new Map<string, number>();
  readonly #addedAt = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, Timer>();
  readonly #waiters: ((key: string | undefined) => void)[] = [];
  readonly #idle: (() => void)[] = [];
  readonly #bucket: TokenBucket;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #observer: QueueObserver | undefined;
  // Keys in order; those before the head are already removed. Trimmed now and then, so that taking one costs O(1).
  #queue: string[] = [];
  #head = 0;
  #isShutDown = false;

  constructor(o: QueueOptions = {}) {
    this.#baseDelayMs = o.baseDelayMs ?? 5;
    this.#maxDelayMs = o.maxDelayMs ?? LONGEST_DELAY_MS;
    this.#bucket = new TokenBucket(o.qps ?? 10, o.burst ?? 100);
    this.#observer = o.observer;
  }

  /** Number of waiting keys, without those with a pending delay. */
  get depth(): number {
    return this.#queue.length - this.#head;
  }

  get isShutDown(): boolean {
    return this.#isShutDown;
  }

  /** Seconds so far of each key in progress. */
  *unfinished(): Iterable<number> {
    const now = performance.now();
    for (const since of this.#processing.values()) yield (now - since) / 1000;
  }

  add(key: string): void {
    if (this.#isShutDown || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (this.#observer) this.#addedAt.set(key, performance.now());
    if (this.#processing.has(key)) this.#observer?.added(this.depth);
    else this.#enqueue(key);
  }

  #enqueue(key: string): void {
    this.#observer?.added(this.depth + 1);
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter(this.#take(key));
      return;
    }
    this.#queue.push(key);
  }

  #take(key: string): string {
    const now = performance.now();
    this.#dirty.delete(key);
    this.#processing.set(key, now);
    if (this.#observer) {
      this.#observer.taken(this.depth, (now - (this.#addedAt.get(key) ?? now)) / 1000);
      this.#addedAt.delete(key);
    }
    return key;
  }

  /** Adds the key after a delay; of two delays for one key the shorter counts. */
  addAfter(key: string, ms: number): void {
    if (this.#isShutDown) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const at = performance.now() + ms;
    const waiting = this.#timers.get(key);
    if (waiting && waiting.at <= at) return;
    if (waiting) clearTimeout(waiting.handle);
    const handle = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, ms);
    this.#timers.set(key, { at, handle });
  }

  /** Adds the key after its own backoff, or later where too many keys fail at once. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#observer?.retried();
    const own = Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** Math.min(failures, 40));
    this.addAfter(key, Math.max(own, this.#bucket.reserve()));
  }

  /** Ends the backoff of a key that succeeded. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, or undefined once the signal aborts, or the queue is shut down and empty. */
  async get(signal?: AbortSignal): Promise<string | undefined> {
    if (signal?.aborted) return undefined;
    if (this.depth > 0) return this.#take(this.#shift());
    if (this.#isShutDown) return undefined;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const stop = (): void => {
      const at = this.#waiters.indexOf(resolve);
      if (at >= 0) this.#waiters.splice(at, 1);
      resolve(undefined);
    };
    this.#waiters.push(resolve);
    if (!signal) return await promise;
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #shift(): string {
    const key = this.#queue[this.#head++] ?? '';
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return key;
  }

  /** Ends the work on a key; call it once for each key that `get` returned. */
  done(key: string): void {
    const since = this.#processing.get(key);
    if (since === undefined) return;
    this.#processing.delete(key);
    this.#observer?.done((performance.now() - since) / 1000);
    if (this.#dirty.has(key)) {
      const waiter = this.#waiters.shift();
      if (waiter) waiter(this.#take(key));
      else this.#queue.push(key);
    }
    if (this.#processing.size === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  /** Accepts no more keys; waiting ones are still returned by `get`. */
  shutDown(): void {
    this.#isShutDown = true;
    for (const { handle } of this.#timers.values()) clearTimeout(handle);
    this.#timers.clear();
    for (const waiter of this.#waiters.splice(0)) waiter(undefined);
  }

  /** Shuts down, drops waiting keys, and resolves when the keys in progress are done. */
  async drain(): Promise<void> {
    this.shutDown();
    this.#queue = [];
    this.#head = 0;
    this.#dirty.clear();
    this.#addedAt.clear();
    if (this.#processing.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle.push(resolve);
    await promise;
  }
}
