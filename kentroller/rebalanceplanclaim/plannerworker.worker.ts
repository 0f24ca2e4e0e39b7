import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../kube/errors.ts';
import { rebalance } from '../../planner/rebalance.ts';
import type { SearchWatch } from '../../planner/search/effort.ts';
import type { PlanningRequest, SearchProgress, WorkerMessage } from './plannerworker.ts';

/** Milliseconds between two messages of progress. */
const TELL_EVERY_MS = 1_000;

const post = (message: WorkerMessage): void => parentPort?.postMessage(message);

/** Adds up what the searches did, and posts it now and then, and at their end. */
const watchSearches = (): SearchWatch & { readonly end: () => void } => {
  let progress: SearchProgress = { searches: 0, rounds: 0 };
  let toldAt = Number.NEGATIVE_INFINITY;
  const tell = (next: SearchProgress): void => {
    progress = next;
    const now = performance.now();
    if (now - toldAt < TELL_EVERY_MS) return;
    toldAt = now;
    post({ progress });
  };
  return {
    begin: () => tell({ searches: progress.searches + 1, rounds: progress.rounds }),
    advance: (rounds, saves) => tell({ ...progress, rounds: progress.rounds + rounds, saves }),
    end: () => post({ progress }),
  };
};

/** The worker's program: one request as workerData; its last message is the answer or the error. */
const answer = (): WorkerMessage => {
  const request = workerData as PlanningRequest;
  const watch = watchSearches();
  try {
    const found = rebalance({ ...request, clock: Date.now, watch });
    watch.end();
    return { answer: found };
  } catch (error) {
    return { error: messageOf(error) };
  }
};

post(answer());
