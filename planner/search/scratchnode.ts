import type { Packing } from '../packing/packing.ts';

/** Pods of a shape, and how many. */
export type Content = [podClass: number, n: number][];

/** A node that is filled to see what it would hold: no packing is changed but for counts of rules, which `end` gives back. */
export class ScratchNode {
  readonly free: Float64Array;
  readonly #packing: Packing;
  readonly #width: number;
  #node = 0;
  #nodeClass = 0;
  /** The shapes that are on the node, and how many they are. */
  readonly #podClasses: Int32Array;
  #kinds = 0;
  /** What `keep` was told to keep: for each the number of shapes, then each with its count. */
  #kept = new Int32Array(1024);
  #keptEnd = 0;
  /** Per shape, how many are on the node now. */
  readonly #held: Int32Array;

  constructor(packing: Packing) {
    this.#packing = packing;
    this.#width = packing.width;
    this.free = new Float64Array(this.#width);
    this.#held = new Int32Array(packing.problem.podClasses.length);
    this.#podClasses = new Int32Array(packing.problem.podClasses.length);
  }

  /** Begins with an empty node of this number, group and room. */
  begin(node: number, nodeClass: number, room: Float64Array): void {
    this.#node = node;
    this.#nodeClass = nodeClass;
    this.free.set(room);
  }

  /** Puts as many of `most` pods as the node takes, rules and all; returns how many. */
  take(podClass: number, most: number): number {
    const { problem, counts } = this.#packing;
    if (!problem.allowed[this.#nodeClass * problem.podClasses.length + podClass]) return 0;
    const { free } = this;
    const width = this.#width;
    const { sizes } = problem;
    const at = podClass * width;
    let n = most;
    for (let d = 0; d < width; d += 1) {
      const size = sizes[at + d] as number;
      if (size <= 0) continue;
      const room = (free[d] as number) / size;
      if (room < n) n = room;
    }
    n = n < 1 ? 0 : Math.floor(n);
    if (n === 0) return 0;
    if (counts.hasRules(podClass)) {
      let put = 0;
      while (put < n && counts.allows(podClass, this.#node, this.#nodeClass)) {
        counts.add(podClass, this.#node, this.#nodeClass, 1);
        put += 1;
      }
      if (put === 0) return 0;
      n = put;
    } else counts.add(podClass, this.#node, this.#nodeClass, n);
    for (let d = 0; d < width; d += 1) free[d] = (free[d] as number) - n * (sizes[at + d] as number);
    const held = this.#held[podClass] as number;
    if (held === 0) this.#podClasses[this.#kinds++] = podClass;
    this.#held[podClass] = held + n;
    return n;
  }

  /** Ends the trial; returns what was on the node. */
  end(): Content {
    const kept = this.keep();
    this.#keptEnd = kept;
    return this.contentOf(kept);
  }

  /** Ends the trial; what was on the node can be had by the number returned until `forget`. */
  keep(): number {
    const kinds = this.#kinds;
    const podClasses = this.#podClasses;
    const held = this.#held;
    const packing = this.#packing;
    const at = this.#keptEnd;
    this.#keptEnd = at + 1 + 2 * kinds;
    if (this.#keptEnd > this.#kept.length) {
      const grown = new Int32Array(2 * this.#keptEnd);
      grown.set(this.#kept);
      this.#kept = grown;
    }
    const kept = this.#kept;
    kept[at] = kinds;
    for (let k = 0; k < kinds; k += 1) {
      const podClass = podClasses[k] as number;
      const n = held[podClass] as number;
      packing.counts.add(podClass, this.#node, this.#nodeClass, -n);
      held[podClass] = 0;
      kept[at + 1 + 2 * k] = podClass;
      kept[at + 2 + 2 * k] = n;
    }
    this.#kinds = 0;
    return at;
  }

  contentOf(kept: number): Content {
    const content: Content = [];
    for (let k = 0; k < (this.#kept[kept] as number); k += 1) {
      content.push([this.#kept[kept + 1 + 2 * k] as number, this.#kept[kept + 2 + 2 * k] as number]);
    }
    return content;
  }

  dropKept(): void {
    this.#keptEnd = 0;
  }

  /** How many pods are on the node. */
  get pods(): number {
    let pods = 0;
    for (let k = 0; k < this.#kinds; k += 1) pods += this.#held[this.#podClasses[k] as number] as number;
    return pods;
  }
}
