import { Worker } from 'node:worker_threads';
import type { rebalance } from '../../planner/rebalance.ts';

export type PlanningRequest = Omit<Parameters<typeof rebalance>[0], 'watch'>;
export type PlanningAnswer = ReturnType<typeof rebalance>;

/** How far the searches for one plan are. */
export interface SearchProgress {
  readonly searches: number;
  /** Rounds of local search, in all of them. */
  readonly rounds: number;
  /** What the best answer of the last search saves so far, in USD per hour; undefined before there is one. */
  readonly saves?: number;
}

/** Called as the search for a plan begins; what it returns is told how far that is, once a second at most. */
export type BeginSearch = (planName: string) => (progress: SearchProgress) => void;

/** Searches for a plan. Throws PlanningError when the planner fails, PlanningTimeout after `timeoutMs`. */
export type Planning = (
  request: PlanningRequest,
  timeoutMs: number,
  signal: AbortSignal,
  begin?: BeginSearch,
) => Promise<PlanningAnswer>;

/** A failure that a retry would only repeat. The message is one sentence. */
export class PlanningError extends Error {
  override readonly name: string = 'PlanningError';
}

export class PlanningTimeout extends PlanningError {
  override readonly name = 'PlanningTimeout';
}

/** What the worker thread posts: how far it is, any number of times, then its answer or its error. */
export type WorkerMessage =
  | { readonly progress: SearchProgress }
  | { readonly answer: PlanningAnswer }
  | { readonly error: string };

/** Megabytes: a search allocates much that dies young, so it gets more than kentroller's main thread. */
const YOUNG_GENERATION_MB = 48;

/** Runs the planner in a worker thread: a search keeps a core busy, and Leases and streams must not wait for it. */
export const planOnThread: Planning = async (request, timeoutMs, signal, begin) => {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<PlanningAnswer>();
  const worker = new Worker(new URL('./plannerworker.worker.ts', import.meta.url), {
    workerData: request,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const timer = setTimeout(() => {
    reject(new PlanningTimeout(`no plan was found within ${Math.round(timeoutMs / 1000)} s`));
  }, timeoutMs);
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const tell = begin?.(request.planName);
  worker.on('message', (message: WorkerMessage) => {
    if ('progress' in message) tell?.(message.progress);
    else if ('error' in message) reject(new PlanningError(message.error));
    else resolve(message.answer);
  });
  worker.once('error', reject);
  worker.once('exit', (code) => reject(new Error(`the planner's worker thread exited with code ${code}`)));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    void worker.terminate();
  });
};
