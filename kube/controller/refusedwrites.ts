import type { Logger } from '../component/log.ts';
import { auditIdOf, isTerminal, lacksRight, messageOf } from '../errors.ts';
import { TtlCache } from '../ttlcache.ts';

/** Delay of the next try after a write that the API server refused as wrong, or for lack of a right. */
export const REFUSED_RETRY_MS = 60_000;

/** How long a refusal is remembered after its last try, so that the same one is told once. */
const REMEMBERED_MS = 60 * 60_000;
const MAX_REMEMBERED = 10_000;

interface Refusal {
  readonly reason: string;
  readonly retryAt: number;
}

/**
 * Writes beside work that goes on without them, such as statuses: one that the API server refuses for as long as nobody mends
 * the cause is told once, and tried once a minute. `message` is the line of the log.
 */
export class RefusedWrites {
  readonly #refusals: TtlCache<Refusal>;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #message: string;

  constructor(o: { readonly log: Logger; readonly now: () => number; readonly message: string }) {
    this.#refusals = new TtlCache({ ttlMs: REMEMBERED_MS, maxSize: MAX_REMEMBERED, now: o.now });
    this.#log = o.log;
    this.#now = o.now;
    this.#message = o.message;
  }

  /** Writes an object; false when that is refused, or was a moment ago. Throws any other error. */
  async attempt(object: string, write: () => Promise<unknown>): Promise<boolean> {
    const known = this.#refusals.get(object);
    if (known && this.#now() < known.retryAt) return false;
    try {
      await write();
    } catch (error) {
      if (!isTerminal(error) && !lacksRight(error)) throw error;
      const reason = messageOf(error);
      if (known?.reason !== reason)
        this.#log.warn({ object, reason, ...auditIdOf(error), retryMs: REFUSED_RETRY_MS }, this.#message);
      this.#refusals.set(object, { reason, retryAt: this.#now() + REFUSED_RETRY_MS });
      return false;
    }
    this.#refusals.delete(object);
    return true;
  }
}
