import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import type { Content, ScratchNode } from './scratchnode.ts';

/** Pods that are still to be placed: shapes in the order of their worth, those that have run out left out. */
export class RemainingPods {
  readonly left: Int32Array;
  readonly worth: Float64Array;
  readonly sizes: Float64Array;
  readonly width: number;
  podClasses: Int32Array;
  pods = 0;
  total = 0;
  /** How many of the shapes have run out. */
  #exhausted = Number.POSITIVE_INFINITY;
  /** The least that any pod asks of CPU and of memory: with less left, a node is full. */
  least: readonly [number, number] = [0, 0];
  /** What a unit of each dimension is worth. */
  readonly #prices: Float64Array;
  /** Whether the shapes are in the order of their worth, so that those that are too large can be passed over. */
  #isOrdered = false;

  constructor(packing: Packing, left: Int32Array, o: FillOptions) {
    this.left = left;
    this.worth = o.worth;
    this.#prices = o.prices;
    this.sizes = packing.problem.sizes;
    this.width = packing.width;
    this.podClasses = o.order;
    for (const n of left) this.pods += n;
    this.dropExhausted();
  }

  /** Leaves out the shapes that have run out, once they are many. */
  dropExhausted(): void {
    if (this.#exhausted * 8 < this.podClasses.length) return;
    this.#exhausted = 0;
    const { left, sizes, width } = this;
    this.podClasses = this.podClasses.filter((podClass) => (left[podClass] as number) > 0);
    let cpu = Number.POSITIVE_INFINITY;
    let memory = Number.POSITIVE_INFINITY;
    this.total = 0;
    for (const podClass of this.podClasses) {
      cpu = Math.min(cpu, sizes[podClass * width] as number);
      memory = Math.min(memory, sizes[podClass * width + 1] as number);
      this.total += (left[podClass] as number) * (this.worth[podClass] as number);
    }
    this.least = [cpu, memory];
    this.#isOrdered = this.podClasses.every(
      (podClass, i) =>
        i === 0 ||
        (this.worth[podClass] as number) <= (this.worth[this.podClasses[i - 1] as number] as number),
    );
  }

  #isFull(scratch: ScratchNode): boolean {
    return (scratch.free[0] as number) < this.least[0] || (scratch.free[1] as number) < this.least[1];
  }

  /** What a pod that fits can be worth at most: what the room is worth. */
  #mostOf(scratch: ScratchNode): number {
    let most = 1e-9;
    for (let d = 0; d < this.width; d += 1) most += (this.#prices[d] as number) * (scratch.free[d] as number);
    return most * (1 + 1e-9);
  }

  /** The first shape, by place from `from` on, that is not worth more than `most`. */
  #skip(from: number, most: number): number {
    const { worth, podClasses } = this;
    if (
      !this.#isOrdered ||
      from >= podClasses.length ||
      (worth[podClasses[from] as number] as number) <= most
    )
      return from;
    let low = from + 1;
    let high = podClasses.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((worth[podClasses[middle] as number] as number) <= most) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Takes pods in the order of their worth; returns what they are worth together. */
  fillInOrder(scratch: ScratchNode): number {
    const { podClasses } = this;
    let packed = 0;
    let most = this.#mostOf(scratch);
    for (let i = this.#skip(0, most); i < podClasses.length; i = this.#skip(i + 1, most)) {
      const podClass = podClasses[i] as number;
      const n = scratch.take(podClass, this.left[podClass] as number);
      if (n === 0) continue;
      packed += n * (this.worth[podClass] as number);
      if (this.#isFull(scratch)) break;
      most = this.#mostOf(scratch);
    }
    return packed;
  }

  /** The first shape from a place on that asks more memory for its CPU than `aim`, or that does not. */
  #seek(from: number, aim: number, isHeavy: boolean): number {
    const { podClasses, sizes, width } = this;
    let i = from;
    while (i < podClasses.length) {
      const at = (podClasses[i] as number) * width;
      if ((sizes[at + 1] as number) >= aim * (sizes[at] as number) === isHeavy) break;
      i += 1;
    }
    return i;
  }

  /**
   * Fills a node so that CPU and memory run out together: pods that ask more memory for their CPU than is left are
   * taken while memory is plenty, the others while CPU is.
   */
  fillEvenly(scratch: ScratchNode): number {
    const { left, worth, podClasses } = this;
    const { free } = scratch;
    const end = podClasses.length;
    const aim = (free[1] as number) / Math.max(1, free[0] as number);
    let most = this.#mostOf(scratch);
    let h = this.#seek(this.#skip(0, most), aim, true);
    let l = this.#seek(this.#skip(0, most), aim, false);
    let takenHeavy = 0;
    let takenLight = 0;
    let packed = 0;
    while (!this.#isFull(scratch) && (h < end || l < end)) {
      const wantsHeavy = (free[1] as number) > aim * (free[0] as number);
      const isHeavy = (wantsHeavy && h < end) || l >= end;
      const podClass = podClasses[isHeavy ? h : l] as number;
      const taken = isHeavy ? takenHeavy : takenLight;
      if (taken < (left[podClass] as number) && scratch.take(podClass, 1) === 1) {
        packed += worth[podClass] as number;
        most = this.#mostOf(scratch);
        if (isHeavy) takenHeavy += 1;
        else takenLight += 1;
      } else if (isHeavy) {
        h = this.#seek(h + 1, aim, true);
        takenHeavy = 0;
      } else {
        l = this.#seek(l + 1, aim, false);
        takenLight = 0;
      }
      // What is worth more than the room that is left does not fit; the next one begins with none taken.
      const heavy = this.#skip(h, most);
      if (heavy !== h) {
        h = this.#seek(heavy, aim, true);
        takenHeavy = 0;
      }
      const light = this.#skip(l, most);
      if (light !== l) {
        l = this.#seek(light, aim, false);
        takenLight = 0;
      }
    }
    return packed;
  }

  /** Takes what went onto a node off what is left. */
  remove(content: Content): void {
    for (const [podClass, n] of content) {
      const left = (this.left[podClass] as number) - n;
      this.left[podClass] = left;
      if (left === 0) this.#exhausted += 1;
      this.pods -= n;
      this.total -= n * (this.worth[podClass] as number);
    }
  }
}
