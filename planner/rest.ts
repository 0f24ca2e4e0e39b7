import type { Packing } from './packing.ts';
import type { Content, Trial } from './trial.ts';

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
  private gone = Number.POSITIVE_INFINITY;
  /** The least that any pod asks of CPU and of memory: with less left, a node is full. */
  least: readonly [number, number] = [0, 0];
  private readonly heavy: Int32Array;
  private readonly light: Int32Array;

  constructor(
    packing: Packing,
    left: Int32Array,
    o: { readonly worth: Float64Array; readonly order: Int32Array },
  ) {
    this.left = left;
    this.worth = o.worth;
    this.sizes = packing.problem.sizes;
    this.width = packing.width;
    this.shapes = o.order;
    for (const n of left) this.pods += n;
    this.narrow();
    this.heavy = new Int32Array(this.shapes.length);
    this.light = new Int32Array(this.shapes.length);
  }

  /** Leaves out the shapes that have run out, once they are many. */
  narrow(): void {
    if (this.gone * 8 < this.shapes.length) return;
    this.gone = 0;
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
  }

  private isFull(trial: Trial): boolean {
    return (trial.free[0] as number) < this.least[0] || (trial.free[1] as number) < this.least[1];
  }

  /** Takes pods in the order of their worth; returns what they are worth together. */
  fillInOrder(trial: Trial): number {
    let packed = 0;
    for (const shape of this.shapes) {
      const n = trial.take(shape, this.left[shape] as number);
      if (n === 0) continue;
      packed += n * (this.worth[shape] as number);
      if (this.isFull(trial)) break;
    }
    return packed;
  }

  /**
   * Fills a node so that CPU and memory run out together: pods that ask more memory for their CPU than is left are
   * taken while memory is plenty, the others while CPU is.
   */
  fillEvenly(trial: Trial): number {
    const { left, sizes, width, heavy, light } = this;
    const { free } = trial;
    const aim = (free[1] as number) / Math.max(1, free[0] as number);
    let heavies = 0;
    let lights = 0;
    for (const shape of this.shapes) {
      if ((sizes[shape * width + 1] as number) >= aim * (sizes[shape * width] as number)) {
        heavy[heavies++] = shape;
      } else light[lights++] = shape;
    }
    let h = 0;
    let l = 0;
    let takenHeavy = 0;
    let takenLight = 0;
    let packed = 0;
    while ((h < heavies || l < lights) && !this.isFull(trial)) {
      const wantsHeavy = (free[1] as number) > aim * (free[0] as number);
      if ((wantsHeavy && h < heavies) || l >= lights) {
        const shape = heavy[h] as number;
        if (takenHeavy < (left[shape] as number) && trial.take(shape, 1) === 1) {
          takenHeavy += 1;
          packed += this.worth[shape] as number;
        } else {
          h += 1;
          takenHeavy = 0;
        }
      } else {
        const shape = light[l] as number;
        if (takenLight < (left[shape] as number) && trial.take(shape, 1) === 1) {
          takenLight += 1;
          packed += this.worth[shape] as number;
        } else {
          l += 1;
          takenLight = 0;
        }
      }
    }
    return packed;
  }

  /** Takes what went onto a node off what is left. */
  remove(content: Content): void {
    for (const [shape, n] of content) {
      const left = (this.left[shape] as number) - n;
      this.left[shape] = left;
      if (left === 0) this.gone += 1;
      this.pods -= n;
      this.total -= n * (this.worth[shape] as number);
    }
  }
}
