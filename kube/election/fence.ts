import { FencedError } from '../errors.ts';

/**
 * Tells whether our Lease may still be trusted. The clock on which more time passed counts: the monotonic one stops
 * while a machine sleeps, the wall clock can be set back.
 */
export class Fence {
  readonly #validMs: number;
  #renewed: { readonly monotonic: number; readonly wall: number } | undefined;

  /** `validMs` must be shorter than the Lease's duration by the time that a write may take to arrive. */
  constructor(validMs: number) {
    this.#validMs = validMs;
  }

  static now(): { readonly monotonic: number; readonly wall: number } {
    return { monotonic: performance.now(), wall: Date.now() };
  }

  /** Opens the fence, counting from a moment before the renewal was sent: others count from no earlier. */
  open(from: { readonly monotonic: number; readonly wall: number }): void {
    this.#renewed = from;
  }

  close(): void {
    this.#renewed = undefined;
  }

  /** Milliseconds left; 0 or less when writes are refused. */
  leftMs(): number {
    if (!this.#renewed) return 0;
    const now = Fence.now();
    const passed = Math.max(now.monotonic - this.#renewed.monotonic, now.wall - this.#renewed.wall);
    return this.#validMs - passed;
  }

  /** Throws FencedError unless the Lease is certainly ours. */
  readonly check = (): void => {
    if (this.leftMs() <= 0)
      throw new FencedError('not written: the Lease was not renewed in time and may be held by another');
  };
}
