import { setTimeout as sleep } from 'node:timers/promises';

/** A flag that a waiter is woken by. */
export class Bell {
  #ring: (() => void) | undefined;
  #hasRung = false;

  ring = (): void => {
    this.#hasRung = true;
    this.#ring?.();
  };

  /** Waits until it rings or the time is over. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ring = resolve;
    const timer = new AbortController();
    if (!this.#hasRung) {
      await Promise.race([
        promise,
        sleep(ms, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(() => {}),
      ]);
    }
    timer.abort();
    this.#ring = undefined;
    this.#hasRung = false;
  }
}
