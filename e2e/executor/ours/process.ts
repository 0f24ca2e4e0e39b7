import { AsyncLocalStorage } from 'node:async_hooks';
import type { KubeObject } from '../../../api/objects.ts';
import type { Resource } from '../../../api/resources.ts';
import type { Indexes } from '../../../kube/cache/store.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Controller, Key } from '../../../kube/controller/controller.ts';
import { isConflict, isNotFound, isTerminal, KubeError, messageOf } from '../../../kube/errors.ts';
import type { MemoryApi } from '../../../kube/testing/memory/api.ts';
import { type Call, memoryClient, type Wire } from '../../../kube/testing/memory/client.ts';
import { LaggingCache } from '../../../kube/testing/memory/laggingcache.ts';
import { latency, type Simulation } from '../simulation.ts';

/** A write that reached the API server. */
export interface Write {
  readonly process: string;
  /** Key of the reconciliation that sent it. */
  readonly key: Key;
  /** What the key stood for when the reconciliation began. */
  readonly subject: string | undefined;
  readonly call: Call;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
  /** The server's refusal; undefined when the write was done. */
  readonly error?: unknown;
  /** The resourceVersion of each kind that the process knew when the reconciliation began, by kind. */
  readonly knew: Readonly<Record<string, number>>;
}

export interface ProcessOptions {
  readonly name: string;
  readonly simulation: Simulation;
  readonly api: MemoryApi;
  /** Called right before and after each write is served; may throw. */
  readonly onWrite: (write: Write) => void;
  readonly onError: (process: string, message: string) => void;
  /** UID of the object that a key stands for now. */
  readonly subjectOf?: (key: Key) => string | undefined;
}

interface Pass {
  readonly key: Key;
  readonly subject: string | undefined;
  readonly knew: Readonly<Record<string, number>>;
}

const FIRST_BACKOFF_MS = 5;
const LONGEST_BACKOFF_MS = 60_000;
const WORKERS = 4;

/** Keys of one controller, with the rules of kube/controller on a virtual clock. */
class Queue {
  readonly #process: Process;
  readonly #controller: Controller;
  readonly #due = new Map<Key, number>();
  readonly #running = new Set<Key>();
  readonly #dirty = new Set<Key>();
  readonly #waiting: Key[] = [];
  readonly #failures = new Map<Key, number>();

  constructor(process: Process, controller: Controller) {
    this.#process = process;
    this.#controller = controller;
  }

  add(key: Key, afterMs: number): void {
    const { simulation } = this.#process;
    const at = simulation.now() + afterMs;
    const known = this.#due.get(key);
    if (known !== undefined && known <= at) return;
    this.#due.set(key, at);
    simulation.after(afterMs, () => {
      if (this.#due.get(key) !== at) return;
      this.#due.delete(key);
      this.#ready(key);
    });
  }

  #ready(key: Key): void {
    if (this.#process.isDead) return;
    if (this.#running.has(key)) {
      this.#dirty.add(key);
      return;
    }
    if (!this.#waiting.includes(key)) this.#waiting.push(key);
    this.#startNext();
  }

  #startNext(): void {
    if (this.#running.size >= WORKERS) return;
    const key = this.#waiting.shift();
    if (key === undefined) return;
    this.#running.add(key);
    this.#process.simulation.settled();
    void this.#run(key).finally(() => {
      this.#running.delete(key);
      if (this.#dirty.delete(key)) this.#ready(key);
      this.#startNext();
    });
  }

  async #run(key: Key): Promise<void> {
    try {
      const action = await this.#process.pass(key, () =>
        this.#controller.reconcile(key, this.#process.signal),
      );
      this.#failures.delete(key);
      if (action.kind === 'requeue') this.add(key, action.afterMs);
    } catch (error) {
      if (this.#process.isDead) return;
      if (isNotFound(error) || isTerminal(error)) {
        this.#failures.delete(key);
        if (isTerminal(error)) this.#process.fail(`${this.#controller.name} ${key}: ${messageOf(error)}`);
        return;
      }
      if (!isConflict(error) && !(error instanceof KubeError))
        this.#process.fail(`${this.#controller.name} ${key}: ${String(error)}`);
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const retryAfter = error instanceof KubeError ? error.retryAfterMs : undefined;
      this.add(key, retryAfter ?? Math.min(FIRST_BACKOFF_MS * 2 ** failures, LONGEST_BACKOFF_MS));
    }
  }
}

/** One life of a component: its caches, client and controllers, from its start to its crash. */
export class Process {
  readonly name: string;
  readonly simulation: Simulation;
  readonly client: KubeClient;
  readonly #o: ProcessOptions;
  readonly #stopping = new AbortController();
  readonly #passes = new AsyncLocalStorage<Pass>();
  readonly #caches = new Map<string, LaggingCache<KubeObject>>();
  /** The time at which the last message of each kind arrives: no message overtakes another of its kind. */
  readonly #lastArrival = new Map<string, number>();
  #isDead = false;
  /** Requests and messages are delayed until then. */
  #stalledUntil = 0;

  constructor(o: ProcessOptions) {
    this.#o = o;
    this.name = o.name;
    this.simulation = o.simulation;
    this.client = memoryClient(o.api, this.#carry);
    o.api.store.onChange((resource) => {
      const cache = this.#isDead ? undefined : this.#caches.get(resource.kind);
      if (cache) this.#send(resource.kind, cache);
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  fail(message: string): void {
    this.#o.onError(this.name, message);
  }

  cache<T extends KubeObject>(resource: Resource<T>, indexes: Indexes<T> = {}): LaggingCache<T> {
    const cache = new LaggingCache(this.#o.api, resource, indexes);
    this.#caches.set(resource.kind, cache as unknown as LaggingCache<KubeObject>);
    return cache;
  }

  run(controller: Controller): void {
    const queue = new Queue(this, controller);
    for (const source of controller.sources) {
      source.cache.onChange((change) => {
        for (const key of source.keys(change)) queue.add(key, source.gatherMs ?? 0);
      });
    }
  }

  pass<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const knew = Object.fromEntries([...this.#caches].map(([kind, cache]) => [kind, cache.version]));
    return this.#passes.run({ key, knew, subject: this.#o.subjectOf?.(key) }, work);
  }

  /** Nothing that it sent and that has not arrived will arrive, and no answer reaches it. */
  crash(): void {
    this.#isDead = true;
    this.#stopping.abort(new Error('crashed'));
  }

  stall(ms: number): void {
    this.#stalledUntil = this.simulation.now() + ms;
  }

  /** Loses the watch of a kind for a time; afterwards everything is listed again. */
  loseWatch(kind: string, ms: number): void {
    const cache = this.#caches.get(kind);
    if (!cache) return;
    const until = this.simulation.now() + ms;
    this.#lastArrival.set(kind, Math.max(until, this.#lastArrival.get(kind) ?? 0));
    this.simulation.after(ms, () => {
      if (!this.#isDead) cache.relist();
    });
  }

  #delay(): number {
    return Math.max(0, this.#stalledUntil - this.simulation.now()) + latency(this.simulation.dice);
  }

  #send(kind: string, cache: LaggingCache<KubeObject>): void {
    const at = Math.max(this.simulation.now() + this.#delay(), this.#lastArrival.get(kind) ?? 0);
    this.#lastArrival.set(kind, at);
    this.simulation.after(at - this.simulation.now(), () => {
      if (!this.#isDead) cache.deliver();
    });
  }

  readonly #carry: Wire = <T>(call: Call, serve: () => T): Promise<T> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const pass = this.#passes.getStore() ?? { key: '', knew: {}, subject: undefined };
    this.simulation.after(this.#delay(), () => {
      if (this.#isDead) return;
      const [isFulfilled, result] = this.#serve(call, pass, serve);
      this.simulation.after(this.#delay(), () => {
        if (this.#isDead) return;
        this.simulation.settled();
        if (isFulfilled) resolve(result as T);
        else reject(result);
      });
    });
    return promise;
  };

  #serve<T>(call: Call, pass: Pass, serve: () => T): readonly [boolean, unknown] {
    const isRead = call.verb === 'get' || call.verb === 'list' || call.isDryRun;
    const find = (): KubeObject | undefined =>
      isRead || !call.ref.name ? undefined : this.#o.api.find(call.resource, { name: '', ...call.ref });
    const before = find();
    let result: T;
    try {
      result = serve();
    } catch (error) {
      if (!isRead) this.#o.onWrite({ process: this.name, ...pass, call, before, after: before, error });
      return [false, error];
    }
    if (!isRead) this.#o.onWrite({ process: this.name, ...pass, call, before, after: find() });
    return [true, result];
  }
}
