import type { DomainCounts } from '../packing/domaincounts.ts';
import { type BitMatrix, type Matrix, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';

const { floatAt, intAt } = readers;

/** Pod classes, and how many pods of each. */
export type Content = [podClass: number, n: number][];

/** A scratch node for what-if filling. Changes only domain counts, which `end` and `keep` restore. */
export class ScratchNode {
  /** Room left, per dimension. */
  readonly free: Float64Array;
  readonly #allowed: BitMatrix;
  readonly #sizes: Matrix;
  readonly #counts: DomainCounts;
  #node = 0;
  #nodeClass = 0;
  /** The pod classes on the node, the first `#kinds` of the array. */
  readonly #podClasses: Int32Array;
  #kinds = 0;
  /** Kept contents one after the other: the number of pod classes, then each class with its count. */
  #kept = new Int32Array(1024);
  #keptEnd = 0;
  /** Per pod class, how many pods are on the node now. */
  readonly #held: Int32Array;

  constructor({ problem, counts, width }: Packing) {
    this.#allowed = problem.allowed;
    this.#sizes = problem.sizes;
    this.#counts = counts;
    this.free = new Float64Array(width);
    this.#held = new Int32Array(problem.podClasses.length);
    this.#podClasses = new Int32Array(problem.podClasses.length);
  }

  /** Starts with an empty node of this number, node class and room. */
  begin(node: number, nodeClass: number, room: Float64Array): void {
    this.#node = node;
    this.#nodeClass = nodeClass;
    this.free.set(room);
  }

  /** Puts up to `most` pods onto the node, as far as room and rules allow. Returns how many. */
  take(podClass: number, most: number): number {
    const nodeClass = this.#nodeClass;
    if (!this.#allowed.has(nodeClass, podClass)) return 0;
    const { free } = this;
    const { values, columns } = this.#sizes;
    const start = this.#sizes.start(podClass);
    let n = most;
    for (let d = 0; d < columns; d += 1) {
      const size = floatAt(values, start + d);
      if (size <= 0) continue;
      const room = floatAt(free, d) / size;
      if (room < n) n = room;
    }
    n = n < 1 ? 0 : Math.floor(n);
    if (n === 0) return 0;
    const counts = this.#counts;
    const node = this.#node;
    if (counts.hasRules(podClass)) {
      let put = 0;
      while (put < n && counts.allows(podClass, node, nodeClass)) {
        counts.add(podClass, node, nodeClass, 1);
        put += 1;
      }
      if (put === 0) return 0;
      n = put;
    } else counts.add(podClass, node, nodeClass, n);
    for (let d = 0; d < columns; d += 1) free[d] = floatAt(free, d) - n * floatAt(values, start + d);
    const held = this.#held;
    const before = intAt(held, podClass);
    if (before === 0) this.#podClasses[this.#kinds++] = podClass;
    held[podClass] = before + n;
    return n;
  }

  /** Takes all pods off the node and returns what was on it. */
  end(): Content {
    const kept = this.keep();
    this.#keptEnd = kept;
    return this.contentOf(kept);
  }

  /** Takes all pods off the node. Returns a number for `contentOf`, valid until `dropKept`. */
  keep(): number {
    const kinds = this.#kinds;
    const podClasses = this.#podClasses;
    const held = this.#held;
    const counts = this.#counts;
    const node = this.#node;
    const nodeClass = this.#nodeClass;
    const start = this.#keptEnd;
    const end = start + 1 + 2 * kinds;
    this.#keptEnd = end;
    let kept = this.#kept;
    if (end > kept.length) {
      const grown = new Int32Array(2 * end);
      grown.set(kept);
      kept = grown;
      this.#kept = grown;
    }
    kept[start] = kinds;
    for (let k = 0; k < kinds; k += 1) {
      const podClass = intAt(podClasses, k);
      const n = intAt(held, podClass);
      counts.add(podClass, node, nodeClass, -n);
      held[podClass] = 0;
      kept[start + 1 + 2 * k] = podClass;
      kept[start + 2 + 2 * k] = n;
    }
    this.#kinds = 0;
    return start;
  }

  /** What was on the node when `keep` returned this number. */
  contentOf(kept: number): Content {
    const values = this.#kept;
    const content: Content = [];
    const kinds = intAt(values, kept);
    for (let k = 0; k < kinds; k += 1) {
      content.push([intAt(values, kept + 1 + 2 * k), intAt(values, kept + 2 + 2 * k)]);
    }
    return content;
  }

  /** Makes all numbers that `keep` returned invalid. */
  dropKept(): void {
    this.#keptEnd = 0;
  }

  /** How many pods of the class are on the node. */
  held(podClass: number): number {
    return intAt(this.#held, podClass);
  }

  /** How many pods are on the node. */
  get pods(): number {
    const podClasses = this.#podClasses;
    const held = this.#held;
    let pods = 0;
    for (let k = 0; k < this.#kinds; k += 1) pods += intAt(held, intAt(podClasses, k));
    return pods;
  }
}
