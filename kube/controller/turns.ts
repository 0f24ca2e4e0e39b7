import { setImmediate } from 'node:timers/promises';

/**
 * Turns of the event loop, one for each caller: work that awaits no I/O, taken up by many workers, would keep timers and
 * requests waiting until all of it is done, the renewal of the Lease among them.
 */
export const createTurns = (): (() => Promise<void>) => {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => setImmediate());
    return last;
  };
};
