import type { ClientMessage, Result } from '../../api/pinning.ts';

/** The part of a stream that results go out through. */
export interface Outlet {
  write(message: ClientMessage): boolean;
  once(event: 'drain', listener: () => void): unknown;
}

/**
 * What became of each intent, the latest only: a slow peer costs one entry an intent. Told again after a reconnect.
 */
export class Results {
  readonly #latest = new Map<string, Result>();
  readonly #unsent = new Set<string>();
  #outlet: Outlet | undefined;
  #isBlocked = false;

  /** Keeps a result and sends it as soon as the stream takes it; the same as before is not sent again. */
  report(result: Result): void {
    const before = this.#latest.get(result.intentId);
    const isSame =
      before !== undefined &&
      before.version === result.version &&
      before.state === result.state &&
      before.bound === result.bound &&
      before.reason === result.reason;
    if (isSame) return;
    this.#latest.set(result.intentId, result);
    this.#unsent.add(result.intentId);
    this.#flush();
  }

  /** An intent was taken in, in this version; what is known of it holds on. */
  acknowledge(intentId: string, version: number): void {
    const known = this.#latest.get(intentId) ?? { intentId, state: 'UNKNOWN' as const, reason: '', bound: 0 };
    this.report({ ...known, version });
  }

  forget(intentId: string): void {
    this.#latest.delete(intentId);
    this.#unsent.delete(intentId);
  }

  forgetAll(): void {
    this.#latest.clear();
    this.#unsent.clear();
  }

  attach(outlet: Outlet): void {
    this.#outlet = outlet;
    this.#isBlocked = false;
    for (const id of this.#latest.keys()) this.#unsent.add(id);
    this.#flush();
  }

  detach(outlet: Outlet): void {
    if (this.#outlet === outlet) this.#outlet = undefined;
  }

  #flush(): void {
    const outlet = this.#outlet;
    if (!outlet || this.#isBlocked) return;
    for (const id of this.#unsent) {
      const result = this.#latest.get(id);
      this.#unsent.delete(id);
      if (!result || outlet.write({ result })) continue;
      this.#isBlocked = true;
      outlet.once('drain', () => {
        if (this.#outlet !== outlet) return;
        this.#isBlocked = false;
        this.#flush();
      });
      return;
    }
  }
}
