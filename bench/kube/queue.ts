import { WorkQueue } from '../../kube/controller/workqueue.ts';

const KEYS = 10_000;
const ROUNDS = 30;

/** Keys per second that one worker adds, takes and finishes. */
export const queueRate = async (): Promise<number> => {
  const queue = new WorkQueue();
  const keys = Array.from({ length: KEYS }, (_, i) => `namespace-${i % 50}/name-${i}`);
  const since = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    for (const key of keys) queue.add(key);
    for (let i = 0; i < KEYS; i++) {
      const key = await queue.get();
      if (key === undefined) throw new Error('the queue ended');
      queue.done(key);
    }
  }
  return (KEYS * ROUNDS * 1000) / (performance.now() - since);
};
