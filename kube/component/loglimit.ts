/** Lines that strangers cause: a few of them in each window, then their number. */
export class LogLimit {
  readonly #lines: number;
  readonly #windowMs: number;
  readonly #now: () => number;
  #since = Number.NEGATIVE_INFINITY;
  #written = 0;
  #leftOut = 0;

  constructor(o: { readonly lines?: number; readonly windowMs?: number; readonly now?: () => number } = {}) {
    this.#lines = o.lines ?? 20;
    this.#windowMs = o.windowMs ?? 10_000;
    this.#now = o.now ?? performance.now.bind(performance);
  }

  /** Writes the line, with the number of those left out before it, or leaves it out. */
  write(line: (more: { readonly leftOut?: number }) => void): void {
    const now = this.#now();
    if (now - this.#since >= this.#windowMs) {
      this.#since = now;
      this.#written = 0;
    }
    if (this.#written >= this.#lines) {
      this.#leftOut++;
      return;
    }
    this.#written++;
    line(this.#leftOut > 0 ? { leftOut: this.#leftOut } : {});
    this.#leftOut = 0;
  }
}
