import type { DomainCounts } from '../packing/domaincounts.ts';
import { type Matrix, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import type { Content, ScratchNode } from './scratchnode.ts';

const { floatAt, intAt } = readers;

/** Pods that are still to be placed, by pod class in the order given; classes that have run out are dropped. */
export class RemainingPods {
  /** Pods per class. */
  readonly left: Int32Array;
  pods = 0;
  /** The worth of all of them. */
  total = 0;
  #podClasses: Int32Array;
  /** How many of the classes have run out. */
  #exhausted = Number.POSITIVE_INFINITY;
  /** The least CPU and the least memory that any class requests: with less left, a node is full. */
  #minCpu = 0;
  #minMemory = 0;
  /** Whether the classes are in the order of their worth, so that those worth too much can be skipped. */
  #isOrdered = false;
  readonly #worth: Float64Array;
  readonly #sizes: Matrix;
  readonly #counts: DomainCounts;
  readonly #hasFollowers: boolean;
  /** Unit prices of the dimensions. */
  readonly #prices: Float64Array;

  constructor(packing: Packing, left: Int32Array, o: FillOptions) {
    this.left = left;
    this.#worth = o.worth;
    this.#prices = o.prices;
    this.#sizes = packing.problem.sizes;
    this.#counts = packing.counts;
    this.#hasFollowers = packing.counts.hasFollowers;
    this.#podClasses = o.order;
    for (const n of left) this.pods += n;
    this.dropExhausted();
  }

  /** Drops the classes that have run out, once they are an eighth of all. */
  dropExhausted(): void {
    if (this.#exhausted * 8 < this.#podClasses.length) return;
    this.#exhausted = 0;
    const { left } = this;
    const worth = this.#worth;
    const sizes = this.#sizes;
    const podClasses = this.#podClasses.filter((podClass) => intAt(left, podClass) > 0);
    let cpu = Number.POSITIVE_INFINITY;
    let memory = Number.POSITIVE_INFINITY;
    let total = 0;
    let isOrdered = true;
    let last = Number.POSITIVE_INFINITY;
    for (const podClass of podClasses) {
      cpu = Math.min(cpu, sizes.at(podClass, 0));
      memory = Math.min(memory, sizes.at(podClass, 1));
      const own = floatAt(worth, podClass);
      total += intAt(left, podClass) * own;
      if (own > last) isOrdered = false;
      last = own;
    }
    this.#podClasses = podClasses;
    this.#minCpu = cpu;
    this.#minMemory = memory;
    this.total = total;
    this.#isOrdered = isOrdered;
  }

  #isFull(free: Float64Array): boolean {
    return floatAt(free, 0) < this.#minCpu || floatAt(free, 1) < this.#minMemory;
  }

  /** The most that a pod that fits can be worth: the worth of the room. */
  #roomWorth(free: Float64Array): number {
    const prices = this.#prices;
    let worth = 1e-9;
    for (let d = 0; d < prices.length; d += 1) worth += floatAt(prices, d) * floatAt(free, d);
    return worth * (1 + 1e-9);
  }

  /** The first place from `from` on whose class is not worth more than `most`. */
  #skip(from: number, most: number): number {
    const worth = this.#worth;
    const podClasses = this.#podClasses;
    if (!this.#isOrdered || from >= podClasses.length || floatAt(worth, intAt(podClasses, from)) <= most)
      return from;
    let low = from + 1;
    let high = podClasses.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (floatAt(worth, intAt(podClasses, middle)) <= most) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Fills the node with pods in the order of the classes. Returns the worth of what it holds. */
  fillInOrder(scratch: ScratchNode): number {
    const { left } = this;
    const { free } = scratch;
    const worth = this.#worth;
    const podClasses = this.#podClasses;
    let packed = 0;
    let most = this.#roomWorth(free);
    for (let i = this.#skip(0, most); i < podClasses.length; i = this.#skip(i + 1, most)) {
      const podClass = intAt(podClasses, i);
      const n = scratch.take(podClass, intAt(left, podClass));
      if (n === 0) continue;
      packed += n * floatAt(worth, podClass);
      if (this.#isFull(free)) break;
      most = this.#roomWorth(free);
    }
    return this.#hasFollowers ? packed + this.#fillFollowers(scratch) : packed;
  }

  /** Adds pods that must be where others are, once those are on the node. Returns their worth. */
  #fillFollowers(scratch: ScratchNode): number {
    let packed = 0;
    let isMore = true;
    while (isMore) {
      isMore = false;
      for (const podClass of this.#podClasses) {
        const rest = this.#counts.follows(podClass) ? intAt(this.left, podClass) - scratch.held(podClass) : 0;
        const n = rest > 0 ? scratch.take(podClass, rest) : 0;
        if (n === 0) continue;
        packed += n * floatAt(this.#worth, podClass);
        isMore = true;
      }
    }
    return packed;
  }

  /** The first place from `from` on whose class requests at least `aim` memory per CPU, or less where not isHeavy. */
  #seek(from: number, aim: number, isHeavy: boolean): number {
    const podClasses = this.#podClasses;
    const { values, columns } = this.#sizes;
    let i = from;
    while (i < podClasses.length) {
      const start = intAt(podClasses, i) * columns;
      if (floatAt(values, start + 1) >= aim * floatAt(values, start) === isHeavy) break;
      i += 1;
    }
    return i;
  }

  /**
   * Fills the node so that CPU and memory run out together: with memory to spare it takes pods that request more
   * memory per CPU than the node has, else the others. Returns the worth of what it holds.
   */
  fillEvenly(scratch: ScratchNode): number {
    const { left } = this;
    const { free } = scratch;
    const worth = this.#worth;
    const podClasses = this.#podClasses;
    const end = podClasses.length;
    const aim = floatAt(free, 1) / Math.max(1, floatAt(free, 0));
    let most = this.#roomWorth(free);
    let heavy = this.#seek(this.#skip(0, most), aim, true);
    let light = this.#seek(this.#skip(0, most), aim, false);
    let takenHeavy = 0;
    let takenLight = 0;
    let packed = 0;
    while (!this.#isFull(free) && (heavy < end || light < end)) {
      const wantsHeavy = floatAt(free, 1) > aim * floatAt(free, 0);
      const isHeavy = (wantsHeavy && heavy < end) || light >= end;
      const podClass = intAt(podClasses, isHeavy ? heavy : light);
      const taken = isHeavy ? takenHeavy : takenLight;
      if (taken < intAt(left, podClass) && scratch.take(podClass, 1) === 1) {
        packed += floatAt(worth, podClass);
        most = this.#roomWorth(free);
        if (isHeavy) takenHeavy += 1;
        else takenLight += 1;
      } else if (isHeavy) {
        heavy = this.#seek(heavy + 1, aim, true);
        takenHeavy = 0;
      } else {
        light = this.#seek(light + 1, aim, false);
        takenLight = 0;
      }
      // Classes worth more than the room left do not fit.
      const nextHeavy = this.#skip(heavy, most);
      if (nextHeavy !== heavy) {
        heavy = this.#seek(nextHeavy, aim, true);
        takenHeavy = 0;
      }
      const nextLight = this.#skip(light, most);
      if (nextLight !== light) {
        light = this.#seek(nextLight, aim, false);
        takenLight = 0;
      }
    }
    return this.#hasFollowers ? packed + this.#fillFollowers(scratch) : packed;
  }

  /** Removes pods that were placed on a node. */
  remove(content: Content): void {
    const { left } = this;
    for (const [podClass, n] of content) {
      const now = intAt(left, podClass) - n;
      left[podClass] = now;
      if (now === 0) this.#exhausted += 1;
      this.pods -= n;
      this.total -= n * floatAt(this.#worth, podClass);
    }
  }
}
