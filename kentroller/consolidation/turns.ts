/** Waiting for a turn takes so long for each that waits already, and at most so long. */
const EACH_MS = 100;
const MOST_MS = 10_000;

/** Work that must not overlap. Who finds it under way is told when to come again, and holds no worker meanwhile. */
export class Turns {
  #isTaken = false;
  readonly #waiting = new Set<string>();

  /** `work` in its turn; else what `later` makes of the milliseconds after which to come again. */
  async take<T>(name: string, work: () => Promise<T>, later: (afterMs: number) => T): Promise<T> {
    if (this.#isTaken) {
      this.#waiting.add(name);
      return later(Math.min(EACH_MS * this.#waiting.size, MOST_MS));
    }
    this.#isTaken = true;
    this.#waiting.delete(name);
    try {
      return await work();
    } finally {
      this.#isTaken = false;
    }
  }

  /** Who has nothing to do any more waits no longer. */
  leave(name: string): void {
    this.#waiting.delete(name);
  }
}
