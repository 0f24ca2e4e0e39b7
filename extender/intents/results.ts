import type { ClientMessage, Result } from '../../api/pinning.ts';

/** The writing half of a stream; `write` returns false when the caller has to wait for 'drain'. */
export interface Outlet {
  write(message: ClientMessage): boolean;
  once(event: 'drain', listener: () => void): unknown;
}

/** The latest result of each intent, sent again after each reconnect. A slow peer costs one entry per intent. */
export class Results {
  readonly #latest = new Map<string, Result>();
  readonly #unsent = new Set<string>();
  #outlet: Outlet | undefined;
  #isBlocked = false;

  /** Stores a result and sends it once the stream accepts it; an unchanged one is not sent again. */
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

  /** Confirms that an intent was received in this version; its last state stays. */
  acknowledge(intentId: string, version: number): void {
    const known = this.#latest.get(intentId) ?? { intentId, state: 'UNKNOWN' as const, reason: '', bound: 0 };
    this.report({ ...known, version });
  }

  forget(intentId: string): void {
    this.#latest.delete(intentId);
    this.#unsent.delete(intentId);
  }

  /** Forgets the results of intents that a full state did not contain. */
  retain(isKnown: (intentId: string) => boolean): void {
    for (const id of this.#latest.keys()) if (!isKnown(id)) this.forget(id);
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
