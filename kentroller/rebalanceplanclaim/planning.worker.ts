import { parentPort, workerData } from 'node:worker_threads';
import { rebalance } from '../../planner/rebalance.ts';
import type { PlanningRequest } from './planning.ts';

const answer = (): unknown => {
  try {
    return rebalance({ ...(workerData as PlanningRequest), clock: Date.now });
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};

parentPort?.postMessage(answer());
