import type { Registry } from 'prom-client';
import type { KubeObject } from '../../api/objects.ts';
import { linkedController } from '../abort.ts';
import type { Cache, Change } from '../cache/cache.ts';
import type { Logger } from '../component/log.ts';
import {
  observeQueue,
  observeReconciles,
  observeUnfinished,
  type ReconcileMetrics,
} from '../component/metrics.ts';
import { isConflict, isNotFound, isTerminal, isUnserved, KubeError, messageOf } from '../errors.ts';
import { REFUSED_RETRY_MS } from './refusedwrites.ts';
import { createTurns } from './turns.ts';
import { WorkQueue } from './workqueue.ts';

/** The key of what is reconciled: 'namespace/name', 'name', or any string that a controller chooses. */
export type Key = string;

export type Action =
  | { readonly kind: 'await-change' }
  | { readonly kind: 'requeue'; readonly afterMs: number };

export const awaitChange: Action = { kind: 'await-change' };
export const requeue = (afterMs: number): Action => ({ kind: 'requeue', afterMs });

/** A cache that a controller watches, and the keys that each change stands for. */
export interface Source {
  readonly cache: Pick<Cache<KubeObject>, 'onChange' | 'start' | 'synced'>;
  keys(change: Change<KubeObject>): Iterable<Key>;
  /** Milliseconds that a change may wait for others of the same key; not at all when left out. */
  readonly gatherMs?: number;
}

/** A source from a cache and a function of its own type. */
export const watches = <T extends KubeObject>(
  cache: Cache<T>,
  keys: (object: T, change: Change<T>) => Iterable<Key>,
  o: { readonly gatherMs?: number } = {},
): Source => ({
  cache,
  keys: (change: Change<T>) => keys(change.object, change),
  ...o,
});

export interface Controller {
  readonly name: string;
  readonly sources: readonly Source[];
  reconcile(key: Key, signal: AbortSignal): Promise<Action>;
}

export interface RunOptions {
  readonly controllers: readonly Controller[];
  readonly concurrency?: number | ((name: string) => number);
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly metrics?: Registry;
}

/** Queue, log and metrics of one running controller. */
interface Run {
  readonly controller: Controller;
  readonly queue: WorkQueue;
  readonly log: Logger;
  readonly counts: ReconcileMetrics;
  readonly signal: AbortSignal;
  readonly turn: () => Promise<void>;
}

type Result = 'success' | 'error' | 'requeue' | 'requeue_after';

/** Decides what an error means for its key; the only place that does. */
const handleError = (run: Run, key: Key, e: unknown): Result => {
  const { queue, log, counts, signal } = run;
  if (signal.aborted) return 'success';
  if (isNotFound(e)) {
    queue.forget(key);
    log.debug({ key, reason: messageOf(e) }, 'object no longer exists');
    return 'success';
  }
  if (isConflict(e)) {
    queue.addRateLimited(key);
    log.debug({ key, reason: messageOf(e) }, 'object changed meanwhile, trying again');
    return 'requeue';
  }
  if (isUnserved(e)) {
    queue.forget(key);
    queue.addAfter(key, REFUSED_RETRY_MS);
    log.warn({ key, reason: messageOf(e), retryMs: REFUSED_RETRY_MS }, 'a kind is not served');
    return 'requeue_after';
  }
  if (isTerminal(e)) {
    // Someone may mend the cause without a change of the object: a policy, a schema, a quota.
    queue.forget(key);
    queue.addAfter(key, REFUSED_RETRY_MS);
    counts.failed(true);
    log.error({ key, err: e, retryMs: REFUSED_RETRY_MS }, 'reconcile was refused');
    return 'error';
  }
  counts.failed(false);
  const afterMs = e instanceof KubeError ? e.retryAfterMs : undefined;
  if (afterMs === undefined) queue.addRateLimited(key);
  else queue.addAfter(key, afterMs);
  log.error({ key, err: e, failures: queue.failures(key) }, 'reconcile failed');
  return 'error';
};

const handleAction = (run: Run, key: Key, action: Action): Result => {
  run.queue.forget(key);
  if (action.kind === 'await-change') return 'success';
  run.queue.addAfter(key, action.afterMs);
  return 'requeue_after';
};

const work = async (run: Run): Promise<void> => {
  for (;;) {
    const key = await run.queue.get(run.signal);
    if (key === undefined) return;
    await run.turn();
    const since = performance.now();
    run.counts.started();
    let result: Result = 'error';
    try {
      result = handleAction(run, key, await run.controller.reconcile(key, run.signal));
    } catch (e) {
      result = handleError(run, key, e);
    } finally {
      run.counts.ended(result, (performance.now() - since) / 1000);
      run.queue.done(key);
    }
  }
};

const runOne = async (controller: Controller, o: RunOptions): Promise<void> => {
  const { signal, metrics } = o;
  const log = o.log.child({ controller: controller.name });
  const workers = (typeof o.concurrency === 'function' ? o.concurrency(controller.name) : o.concurrency) ?? 1;
  const queue = new WorkQueue(metrics ? { observer: observeQueue(metrics, controller.name) } : {});
  if (metrics) observeUnfinished(metrics, controller.name, queue);
  const run: Run = {
    controller,
    queue,
    log,
    signal,
    counts: observeReconciles(metrics, controller.name, workers),
    turn: createTurns(),
  };
  const unsubscribe = controller.sources.map((source) =>
    source.cache.onChange((change) => {
      for (const key of source.keys(change)) queue.addAfter(key, source.gatherMs ?? 0);
    }),
  );
  const stop = (): void => {
    for (const end of unsubscribe) end();
    queue.shutDown();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (const { cache } of controller.sources) cache.start(signal);
    await Promise.all(controller.sources.map(({ cache }) => cache.synced(signal)));
    log.debug({ workers }, 'controller started');
    await Promise.all(Array.from({ length: workers }, () => work(run)));
  } catch (e) {
    if (!signal.aborted) throw e;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await queue.drain();
  }
};

/**
 * Runs the controllers until the signal aborts, then waits for running reconciliations. Starts caches that are
 * not running; throws when a cache can't be filled.
 */
export const runControllers = async (o: RunOptions): Promise<void> => {
  const { controller: run, unlink } = linkedController(o.signal);
  try {
    await Promise.all(
      o.controllers.map(async (controller) => {
        try {
          await runOne(controller, { ...o, signal: run.signal });
        } catch (e) {
          run.abort(e);
          throw e;
        }
      }),
    );
  } finally {
    unlink();
  }
};
