import { setImmediate as nextTurn } from 'node:timers/promises';

interface Event {
  readonly at: number;
  readonly number: number;
  readonly run: () => void;
}

/** A seeded source of random numbers (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }
}

/** Milliseconds that a message is on its way: mostly few, seldom seconds. */
export const latency = (dice: Dice): number => {
  const kind = dice.next();
  if (kind < 0.85) return dice.between(1, 20);
  return kind < 0.98 ? dice.between(20, 400) : dice.between(400, 3_000);
};

/**
 * Discrete events on a virtual clock. Events of one time run in the order in which they were made; promises that an
 * event settles are followed to their ends before the next event.
 */
export class Simulation {
  readonly dice: Dice;
  readonly #heap: Event[] = [];
  #now: number;
  #count = 0;
  /** Set by events that settle promises. */
  #hasSettled = false;

  constructor(seed: number, start: number) {
    this.dice = new Dice(seed);
    this.#now = start;
  }

  readonly now = (): number => this.#now;

  get events(): number {
    return this.#count;
  }

  after(ms: number, run: () => void): void {
    this.#push({ at: this.#now + Math.max(0, ms), number: ++this.#count, run });
  }

  /** To be called by an event after which promises go on. */
  settled(): void {
    this.#hasSettled = true;
  }

  /** Runs all events of the next milliseconds. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let first = this.#heap[0]; first !== undefined && first.at <= end; first = this.#heap[0]) {
      this.#pop();
      this.#now = Math.max(this.#now, first.at);
      first.run();
      if (!this.#hasSettled) continue;
      this.#hasSettled = false;
      await nextTurn();
    }
    this.#now = end;
  }

  #isBefore(a: Event, b: Event): boolean {
    return a.at < b.at || (a.at === b.at && a.number < b.number);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || !this.#isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      if (!a) break;
      const [child, next] = b && this.#isBefore(b, a) ? [b, left + 1] : [a, left];
      if (!this.#isBefore(child, last)) break;
      heap[at] = child;
      at = next;
    }
    heap[at] = last;
  }
}
