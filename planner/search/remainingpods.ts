import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';
import type { Content, Trial } from './scratchnode.ts';

/** Pods that are still to be placed: shapes in the order of their worth, those that have run out left out. */
export class Rest {
  readonly left: Int32Array;
  readonly worth: Float64Array;
  readonly sizes: Float64Array;
  readonly width: number;
  shapes: Int32Array;
  pods = 0;
  total = 0;
  /** How many of the shapes have run out. */
  #gone = Number.POSITIVE_INFINITY;
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
    this.shapes = o.order;
    for (const n of left) this.pods += n;
    this.narrow();
  }

  /** Leaves out the shapes that have run out, once they are many. */
  narrow(): void {
    if (this.#gone * 8 < this.shapes.length) return;
    this.#gone = 0;
    const { left, sizes, width } = this;
    this.shapes = this.shapes.filter((shape) => (left[shape] as number) > 0);
    let cpu = Number.POSITIVE_INFINITY;
    let memory = Number.POSITIVE_INFINITY;
    this.total = 0;
    for (const shape of this.shapes) {
      cpu = Math.min(cpu, sizes[shape * width] as number);
      memory = Math.min(memory, sizes[shape * width + 1] as number);
      this.total += (left[shape] as number) * (this.worth[shape] as number);
    }
    this.least = [cpu, memory];
    this.#isOrdered = this.shapes.every(
      (shape, i) =>
        i === 0 || (this.worth[shape] as number) <= (this.worth[this.shapes[i - 1] as number] as number),
    );
  }

  #isFull(trial: Trial): boolean {
    return (trial.free[0] as number) < this.least[0] || (trial.free[1] as number) < this.least[1];
  }

  /** What a pod that fits can be worth at most: what the room is worth. */
  #mostOf(trial: Trial): number {
    let most = 1e-9;
    for (let d = 0; d < this.width; d += 1) most += (this.#prices[d] as number) * (trial.free[d] as number);
    return most * (1 + 1e-9);
  }

  /** The first shape, by place from `from` on, that is not worth more than `most`. */
  #skip(from: number, most: number): number {
    const { worth, shapes } = this;
    if (!this.#isOrdered || from >= shapes.length || (worth[shapes[from] as number] as number) <= most)
      return from;
    let low = from + 1;
    let high = shapes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((worth[shapes[middle] as number] as number) <= most) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Takes pods in the order of their worth; returns what they are worth together. */
  fillInOrder(trial: Trial): number {
    const { shapes } = this;
    let packed = 0;
    let most = this.#mostOf(trial);
    for (let i = this.#skip(0, most); i < shapes.length; i = this.#skip(i + 1, most)) {
      const shape = shapes[i] as number;
      const n = trial.take(shape, this.left[shape] as number);
      if (n === 0) continue;
      packed += n * (this.worth[shape] as number);
      if (this.#isFull(trial)) break;
      most = this.#mostOf(trial);
    }
    return packed;
  }

  /** The first shape from a place on that asks more memory for its CPU than `aim`, or that does not. */
  #seek(from: number, aim: number, isHeavy: boolean): number {
    const { shapes, sizes, width } = this;
    let i = from;
    while (i < shapes.length) {
      const at = (shapes[i] as number) * width;
      if ((sizes[at + 1] as number) >= aim * (sizes[at] as number) === isHeavy) break;
      i += 1;
    }
    return i;
  }

  /**
   * Fills a node so that CPU and memory run out together: pods that ask more memory for their CPU than is left are
   * taken while memory is plenty, the others while CPU is.
   */
  fillEvenly(trial: Trial): number {
    const { left, worth, shapes } = this;
    const { free } = trial;
    const end = shapes.length;
    const aim = (free[1] as number) / Math.max(1, free[0] as number);
    let most = this.#mostOf(trial);
    let h = this.#seek(this.#skip(0, most), aim, true);
    let l = this.#seek(this.#skip(0, most), aim, false);
    let takenHeavy = 0;
    let takenLight = 0;
    let packed = 0;
    while (!this.#isFull(trial) && (h < end || l < end)) {
      const wantsHeavy = (free[1] as number) > aim * (free[0] as number);
      const isHeavy = (wantsHeavy && h < end) || l >= end;
      const shape = shapes[isHeavy ? h : l] as number;
      const taken = isHeavy ? takenHeavy : takenLight;
      if (taken < (left[shape] as number) && trial.take(shape, 1) === 1) {
        packed += worth[shape] as number;
        most = this.#mostOf(trial);
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
    for (const [shape, n] of content) {
      const left = (this.left[shape] as number) - n;
      this.left[shape] = left;
      if (left === 0) this.#gone += 1;
      this.pods -= n;
      this.total -= n * (this.worth[shape] as number);
    }
  }
}
