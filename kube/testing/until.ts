import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { Deadline } from './pace.ts';

/**
 * Repeats `probe` until it returns something; `what` names the wait in the error after the deadline, which follows the
 * machine's pace. A probe that
 * throws counts as no answer, and its last error is the cause.
 */
export const until = async <T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  o: { readonly timeoutMs: number; readonly everyMs?: number; readonly signal?: AbortSignal },
): Promise<T> => {
  const deadline = new Deadline(o.timeoutMs);
  let cause: unknown;
  for (;;) {
    o.signal?.throwIfAborted();
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (deadline.isOver()) {
      const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
      throw new Error(`${what}: not the case after ${Math.round(deadline.within() / 1000)} s${why}`, {
        cause,
      });
    }
    await delay(o.everyMs ?? 200);
  }
};
