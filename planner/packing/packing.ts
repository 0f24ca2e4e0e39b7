import { capacityOf, poolNameOf, RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { OfferColumn } from './compiledoption.ts';
import { Expense } from './cost.ts';
import { Counts } from './domaincounts.ts';
import type { Problem } from './problem.ts';
import { Journal } from './undolog.ts';

const NOTHING: ReadonlyMap<number, number> = new Map();

/**
 * An arrangement of pods on nodes that changes under the search. Nodes are numbered: standing nodes first, then
 * bought ones. A standing candidate costs its price while it is open; a bought node costs its column's price.
 */
export class Packing {
  readonly problem: Problem;
  readonly counts: Counts;
  readonly width: number;
  /** nodes × dimensions. */
  free: Float64Array;
  group: Int32Array;
  open: Uint8Array;
  /** Column of a bought node; undefined for a standing one. */
  readonly column: (OfferColumn | undefined)[];
  /** Movable pods per node: count by shape. Pods that never move are in `free` and `counts` alone. */
  readonly content: Map<number, number>[];
  readonly #spare: number[] = [];
  nodes: number;
  readonly standing: number;
  /** Movable pods that are not on the standing node that they were on. */
  moved = 0;
  /** Movable pods per standing node and shape, as it was at first. */
  readonly #original: readonly ReadonlyMap<number, number>[];
  readonly #limits: RemainingLimits;
  readonly #hasLimits: boolean;
  readonly #expense: Expense;
  readonly journal = new Journal();

  /** Whether every node costs its price, whatever is on it and however many there are. */
  get isPlain(): boolean {
    return this.#expense.isPlain;
  }

  /** Begins with every standing node open and every pod where it is. */
  constructor(problem: Problem) {
    this.problem = problem;
    this.width = problem.dimensions.length;
    this.standing = problem.standing.length;
    this.nodes = this.standing;
    const room = Math.max(16, this.standing * 2);
    this.free = new Float64Array(room * this.width);
    this.free.set(problem.standingFree);
    this.group = new Int32Array(room);
    this.group.set(problem.standingGroup);
    this.open = new Uint8Array(room).fill(1, 0, this.standing);
    this.column = problem.standing.map(() => undefined);
    this.counts = new Counts(problem, room);
    this.#limits = new RemainingLimits(new Set(problem.everyColumn.map((column) => column.offer.pool)));
    this.#hasLimits = !this.#limits.isEmpty();
    this.#expense = new Expense(problem);
    const coming = Int32Array.from(problem.pending);
    this.content = problem.standing.map((each, node) => {
      const content = new Map<number, number>();
      each.view.pods.forEach((pod, index) => {
        const shape = problem.standingShapes[node]?.[index] ?? -1;
        if (each.movable.has(pod)) {
          content.set(shape, (content.get(shape) ?? 0) + 1);
          coming[shape] = (coming[shape] ?? 0) + 1;
          this.#expense.addRisk(each.podRisk ?? 0);
        } else this.counts.add(shape, node, this.group[node] ?? 0, 1);
      });
      return content;
    });
    this.counts.foresee(coming);
    this.content.forEach((content, node) => {
      for (const [shape, n] of content) this.counts.add(shape, node, this.group[node] ?? 0, n);
    });
    this.#original = this.content.map((content) => new Map(content));
    this.cost();
  }

  /** Takes back every change since a mark of the journal, by default since it began. */
  undo(to = 0): void {
    this.journal.takeBack(to, (step) => {
      if (step.kind === 'put') this.put(step.shape, step.node, -step.n);
      else if (step.kind === 'open') this.#turn(step.node, step.was);
      else if (step.column) this.#place(step.node, step.column);
      else this.sell(step.node);
    });
  }

  #grow(): void {
    const room = this.open.length * 2;
    const free = new Float64Array(room * this.width);
    free.set(this.free);
    this.free = free;
    const group = new Int32Array(room);
    group.set(this.group);
    this.group = group;
    const open = new Uint8Array(room);
    open.set(this.open);
    this.open = open;
  }

  /** The number that the next node bought will have. */
  nextNode(): number {
    return this.#spare.at(-1) ?? this.nodes;
  }

  /** What is left on a node. */
  roomOf(node: number): Float64Array {
    return this.free.subarray(node * this.width, (node + 1) * this.width);
  }

  /** Opens a new, empty node of a column and returns its number. */
  buy(column: OfferColumn): number {
    const node = this.#spare.pop() ?? this.nodes++;
    if (node >= this.open.length) this.#grow();
    this.#place(node, column);
    this.journal.note({ kind: 'bought', node, column: undefined });
    return node;
  }

  /** Whether the NodePool's limits leave room for one more such node. */
  canBuy(column: OfferColumn): boolean {
    return !this.#hasLimits || this.#limits.allows(column.offer.pool.metadata.name, column.offer.type);
  }

  /** Whether the limits of its NodePool leave room for a closed standing node. */
  canReopen(node: number): boolean {
    const standing = this.problem.standing[node];
    if (!this.#hasLimits || !standing?.capacity) return true;
    return this.#limits.allowsReturn(poolNameOf(standing.view.labels), standing.capacity);
  }

  /** Whether every NodePool is within its limits, or as far beyond as it was at first. */
  keepsLimits(): boolean {
    return !this.#hasLimits || this.#limits.areWithin();
  }

  #countBought(column: OfferColumn | undefined, sign: 1 | -1): void {
    if (!this.#hasLimits || !column) return;
    this.#limits.count(column.offer.pool.metadata.name, capacityOf(column.offer.type), sign);
  }

  #place(node: number, column: OfferColumn): void {
    this.#countBought(column, 1);
    this.#expense.count(column, 1);
    const again = this.#spare.indexOf(node);
    if (again >= 0) this.#spare.splice(again, 1);
    this.free.set(column.room, node * this.width);
    this.group[node] = column.group;
    this.open[node] = 1;
    this.column[node] = column;
    this.content[node] = new Map();
  }

  /** Opens or closes a standing node; its movable pods must be off it when it closes. */
  setOpen(node: number, isOpen: boolean): void {
    this.journal.note({ kind: 'open', node, was: this.open[node] ?? 0 });
    this.#turn(node, isOpen ? 1 : 0);
  }

  #turn(node: number, to: number): void {
    const standing = this.problem.standing[node];
    if (this.#hasLimits && standing?.capacity && this.open[node] !== to) {
      this.#limits.count(poolNameOf(standing.view.labels), standing.capacity, to === 1 ? 1 : -1);
    }
    const billed = standing?.billed;
    if (billed && this.open[node] !== to) this.#expense.count(billed, to === 1 ? 1 : -1);
    this.open[node] = to;
  }

  /** Takes a bought node, which must be empty, out again. */
  sell(node: number): void {
    this.journal.note({ kind: 'bought', node, column: this.column[node] });
    const column = this.column[node];
    this.#countBought(column, -1);
    if (column) this.#expense.count(column, -1);
    this.open[node] = 0;
    this.column[node] = undefined;
    this.#spare.push(node);
  }

  /** How many more pods of the shape the node has room for, rules about other pods apart. */
  roomFor(shape: number, node: number): number {
    const { sizes, allowed, shapes } = this.problem;
    if (!allowed[(this.group[node] ?? 0) * shapes.length + shape]) return 0;
    let most = Number.POSITIVE_INFINITY;
    const at = shape * this.width;
    const from = node * this.width;
    for (let d = 0; d < this.width; d += 1) {
      const size = sizes[at + d] as number;
      if (size <= 0) continue;
      const n = (this.free[from + d] as number) / size;
      if (n < most) most = n;
    }
    return most < 1 ? 0 : Math.floor(most);
  }

  put(shape: number, node: number, n: number): void {
    const { sizes } = this.problem;
    const at = shape * this.width;
    const from = node * this.width;
    for (let d = 0; d < this.width; d += 1) {
      this.free[from + d] = (this.free[from + d] as number) - (sizes[at + d] as number) * n;
    }
    const content = this.content[node] as Map<number, number>;
    const before = content.get(shape) ?? 0;
    const count = before + n;
    if (node < this.standing) {
      const at = this.#original[node]?.get(shape) ?? 0;
      if (at > 0) this.moved += Math.max(0, at - count) - Math.max(0, at - before);
    }
    this.journal.note({ kind: 'put', shape, node, n });
    if (count === 0) content.delete(shape);
    else content.set(shape, count);
    this.counts.add(shape, node, this.group[node] ?? 0, n);
    if (this.#expense.hasRisk) this.#expense.addRisk(n * this.podRisk(node));
  }

  /** Puts as many of `most` pods as the node takes, rules and all; returns how many. */
  putUpTo(shape: number, node: number, most: number): number {
    const room = Math.min(most, this.roomFor(shape, node));
    if (room <= 0) return 0;
    if (!this.counts.hasRules(shape)) {
      this.put(shape, node, room);
      return room;
    }
    let put = 0;
    while (put < room && this.counts.allows(shape, node, this.group[node] ?? 0)) {
      this.put(shape, node, 1);
      put += 1;
    }
    return put;
  }

  /**
   * Whether every pod that the plan places would still be let in were it the last to come: pods that went elsewhere
   * may have left a domain too empty for those that stayed in another.
   */
  isSound(): boolean {
    for (let node = 0; node < this.nodes; node += 1) {
      if (!this.open[node]) continue;
      for (const [shape, n] of this.content[node] ?? []) {
        if (!this.counts.hasRules(shape)) continue;
        if (node < this.standing && n <= (this.#original[node]?.get(shape) ?? 0)) continue;
        const group = this.group[node] ?? 0;
        this.counts.add(shape, node, group, -1);
        const isIn = this.counts.isLawful(shape, node, group);
        this.counts.add(shape, node, group, 1);
        if (!isIn) return false;
      }
    }
    return true;
  }

  /** Takes every movable pod off a node; returns what was on it. */
  empty(node: number): [number, number][] {
    const content = [...(this.content[node] as Map<number, number>)];
    for (const [shape, n] of content) this.put(shape, node, -n);
    return content;
  }

  /** What a node costs, in USD per hour, its pods apart: as if it were the last that commitments are drawn on for. */
  price(node: number): number {
    const column = this.column[node];
    if (column) return this.priceOf(column);
    return this.#expense.priceOfStanding(node, this.open[node] === 1);
  }

  /** What one more node of the column costs. */
  priceOf(column: OfferColumn): number {
    return this.#expense.priceOf(column);
  }

  /** What a pod on the node adds to its price. */
  podRisk(node: number): number {
    return this.column[node]?.podRisk ?? this.problem.standing[node]?.podRisk ?? 0;
  }

  /** USD per hour of all open nodes that the plan pays for, with what their risk is expected to cost. */
  cost(): number {
    return this.#expense.total(this.nodes, this.open, this.column);
  }

  /** How full a node is, by the worth of what it holds for its price. */
  fullness(node: number, worth: Float64Array): number {
    let held = 0;
    for (const [shape, n] of this.content[node] ?? []) held += n * (worth[shape] ?? 0);
    return held / Math.max(this.price(node), 1e-6);
  }

  /** Movable pods that a standing node had at first, per shape. */
  originalContent(node: number): ReadonlyMap<number, number> {
    return this.#original[node] ?? NOTHING;
  }

  originalCount(node: number, shape: number): number {
    return this.#original[node]?.get(shape) ?? 0;
  }

  /** Movable pods on nodes that the plan pays for, per shape, and those that wait. */
  demand(waiting: Int32Array): Int32Array {
    const demand = Int32Array.from(waiting);
    this.content.forEach((content, node) => {
      const standing = this.problem.standing[node];
      if (standing && !standing.isCandidate) return;
      for (const [shape, n] of content) demand[shape] = (demand[shape] ?? 0) + n;
    });
    return demand;
  }
}
