import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../kube/errors.ts';
import { rebalance } from '../../planner/rebalance.ts';
import type { PlanningRequest } from './plannerworker.ts';

/** The worker's program: one request as workerData, one answer or `{ error }` as its only message. */
const answer = (): unknown => {
  try {
    return rebalance({ ...(workerData as PlanningRequest), clock: Date.now });
  } catch (error) {
    return { error: messageOf(error) };
  }
};

parentPort?.postMessage(answer());
