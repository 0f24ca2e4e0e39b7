import { capacityOf, Limits, poolNameOf } from '../cluster/nodepoollimits.ts';
import type { CompiledOption } from './compiledoption.ts';
import { PackingCost } from './cost.ts';
import { DomainCounts } from './domaincounts.ts';
import type { Problem } from './problem.ts';
import { UndoLog } from './undolog.ts';

const NOTHING: ReadonlyMap<number, number> = new Map();

/**
 * An arrangement of pods on nodes that changes under the search. Nodes are numbered: standing nodes first, then
 * bought ones. A standing candidate costs its price while it is open; a bought node costs its column's price.
 */
export class Packing {
  readonly problem: Problem;
  readonly counts: DomainCounts;
  readonly width: number;
  /** nodes × dimensions. */
  free: Float64Array;
  nodeClass: Int32Array;
  open: Uint8Array;
  /** Column of a bought node; undefined for a standing one. */
  readonly option: (CompiledOption | undefined)[];
  /** Movable pods per node: count by shape. Pods that never move are in `free` and `counts` alone. */
  readonly content: Map<number, number>[];
  readonly #spare: number[] = [];
  nodes: number;
  readonly existingCount: number;
  /** Movable pods that are not on the standing node that they were on. */
  moved = 0;
  /** Movable pods per standing node and shape, as it was at first. */
  readonly #original: readonly ReadonlyMap<number, number>[];
  readonly #limits: Limits;
  readonly #hasLimits: boolean;
  readonly #packingCost: PackingCost;
  readonly undoLog = new UndoLog();

  /** Whether every node costs its price, whatever is on it and however many there are. */
  get isPlain(): boolean {
    return this.#packingCost.isPlain;
  }

  /** Begins with every standing node open and every pod where it is. */
  constructor(problem: Problem) {
    this.problem = problem;
    this.width = problem.dimensions.length;
    this.existingCount = problem.existingNodes.length;
    this.nodes = this.existingCount;
    const room = Math.max(16, this.existingCount * 2);
    this.free = new Float64Array(room * this.width);
    this.free.set(problem.existingFree);
    this.nodeClass = new Int32Array(room);
    this.nodeClass.set(problem.existingNodeClass);
    this.open = new Uint8Array(room).fill(1, 0, this.existingCount);
    this.option = problem.existingNodes.map(() => undefined);
    this.counts = new DomainCounts(problem, room);
    this.#limits = new Limits(new Set(problem.allOptions.map((option) => option.launchOption.pool)));
    this.#hasLimits = !this.#limits.isEmpty();
    this.#packingCost = new PackingCost(problem);
    const coming = Int32Array.from(problem.pending);
    this.content = problem.existingNodes.map((each, node) => {
      const content = new Map<number, number>();
      each.view.pods.forEach((pod, index) => {
        const podClass = problem.existingPodClasses[node]?.[index] ?? -1;
        if (each.movable.has(pod)) {
          content.set(podClass, (content.get(podClass) ?? 0) + 1);
          coming[podClass] = (coming[podClass] ?? 0) + 1;
          this.#packingCost.addRisk(each.podRisk ?? 0);
        } else this.counts.add(podClass, node, this.nodeClass[node] ?? 0, 1);
      });
      return content;
    });
    this.counts.setSpreadQuotas(coming);
    this.content.forEach((content, node) => {
      for (const [podClass, n] of content) this.counts.add(podClass, node, this.nodeClass[node] ?? 0, n);
    });
    this.#original = this.content.map((content) => new Map(content));
    this.cost();
  }

  /** Takes back every change since a mark of the journal, by default since it began. */
  undo(to = 0): void {
    this.undoLog.rollBack(to, (change) => {
      if (change.kind === 'put') this.put(change.podClass, change.node, -change.n);
      else if (change.kind === 'open') this.#turn(change.node, change.was);
      else if (change.option) this.#place(change.node, change.option);
      else this.sell(change.node);
    });
  }

  #grow(): void {
    const room = this.open.length * 2;
    const free = new Float64Array(room * this.width);
    free.set(this.free);
    this.free = free;
    const nodeClass = new Int32Array(room);
    nodeClass.set(this.nodeClass);
    this.nodeClass = nodeClass;
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
  buy(option: CompiledOption): number {
    const node = this.#spare.pop() ?? this.nodes++;
    if (node >= this.open.length) this.#grow();
    this.#place(node, option);
    this.undoLog.record({ kind: 'bought', node, option: undefined });
    return node;
  }

  /** Whether the NodePool's limits leave room for one more such node. */
  canBuy(option: CompiledOption): boolean {
    return (
      !this.#hasLimits ||
      this.#limits.allows(option.launchOption.pool.metadata.name, option.launchOption.type)
    );
  }

  /** Whether the limits of its NodePool leave room for a closed standing node. */
  canReopen(node: number): boolean {
    const existing = this.problem.existingNodes[node];
    if (!this.#hasLimits || !existing?.capacity) return true;
    return this.#limits.allowsBack(poolNameOf(existing.view.labels), existing.capacity);
  }

  /** Whether every NodePool is within its limits, or as far beyond as it was at first. */
  keepsLimits(): boolean {
    return !this.#hasLimits || this.#limits.areKept();
  }

  #countBought(option: CompiledOption | undefined, sign: 1 | -1): void {
    if (!this.#hasLimits || !option) return;
    this.#limits.count(option.launchOption.pool.metadata.name, capacityOf(option.launchOption.type), sign);
  }

  #place(node: number, option: CompiledOption): void {
    this.#countBought(option, 1);
    this.#packingCost.count(option, 1);
    const again = this.#spare.indexOf(node);
    if (again >= 0) this.#spare.splice(again, 1);
    this.free.set(option.room, node * this.width);
    this.nodeClass[node] = option.nodeClass;
    this.open[node] = 1;
    this.option[node] = option;
    this.content[node] = new Map();
  }

  /** Opens or closes a standing node; its movable pods must be off it when it closes. */
  setOpen(node: number, isOpen: boolean): void {
    this.undoLog.record({ kind: 'open', node, was: this.open[node] ?? 0 });
    this.#turn(node, isOpen ? 1 : 0);
  }

  #turn(node: number, to: number): void {
    const existing = this.problem.existingNodes[node];
    if (this.#hasLimits && existing?.capacity && this.open[node] !== to) {
      this.#limits.count(poolNameOf(existing.view.labels), existing.capacity, to === 1 ? 1 : -1);
    }
    const billed = existing?.billed;
    if (billed && this.open[node] !== to) this.#packingCost.count(billed, to === 1 ? 1 : -1);
    this.open[node] = to;
  }

  /** Takes a bought node, which must be empty, out again. */
  sell(node: number): void {
    this.undoLog.record({ kind: 'bought', node, option: this.option[node] });
    const option = this.option[node];
    this.#countBought(option, -1);
    if (option) this.#packingCost.count(option, -1);
    this.open[node] = 0;
    this.option[node] = undefined;
    this.#spare.push(node);
  }

  /** How many more pods of the shape the node has room for, rules about other pods apart. */
  roomFor(podClass: number, node: number): number {
    const { sizes, allowed, podClasses } = this.problem;
    if (!allowed[(this.nodeClass[node] ?? 0) * podClasses.length + podClass]) return 0;
    let most = Number.POSITIVE_INFINITY;
    const at = podClass * this.width;
    const from = node * this.width;
    for (let d = 0; d < this.width; d += 1) {
      const size = sizes[at + d] as number;
      if (size <= 0) continue;
      const n = (this.free[from + d] as number) / size;
      if (n < most) most = n;
    }
    return most < 1 ? 0 : Math.floor(most);
  }

  put(podClass: number, node: number, n: number): void {
    const { sizes } = this.problem;
    const at = podClass * this.width;
    const from = node * this.width;
    for (let d = 0; d < this.width; d += 1) {
      this.free[from + d] = (this.free[from + d] as number) - (sizes[at + d] as number) * n;
    }
    const content = this.content[node] as Map<number, number>;
    const before = content.get(podClass) ?? 0;
    const count = before + n;
    if (node < this.existingCount) {
      const at = this.#original[node]?.get(podClass) ?? 0;
      if (at > 0) this.moved += Math.max(0, at - count) - Math.max(0, at - before);
    }
    this.undoLog.record({ kind: 'put', podClass, node, n });
    if (count === 0) content.delete(podClass);
    else content.set(podClass, count);
    this.counts.add(podClass, node, this.nodeClass[node] ?? 0, n);
    if (this.#packingCost.hasRisk) this.#packingCost.addRisk(n * this.podRisk(node));
  }

  /** Puts as many of `most` pods as the node takes, rules and all; returns how many. */
  putUpTo(podClass: number, node: number, most: number): number {
    const room = Math.min(most, this.roomFor(podClass, node));
    if (room <= 0) return 0;
    if (!this.counts.hasRules(podClass)) {
      this.put(podClass, node, room);
      return room;
    }
    let put = 0;
    while (put < room && this.counts.allows(podClass, node, this.nodeClass[node] ?? 0)) {
      this.put(podClass, node, 1);
      put += 1;
    }
    return put;
  }

  /**
   * Whether every pod that the plan places would still be let in were it the last to come: pods that went elsewhere
   * may have left a domain too empty for those that stayed in another.
   */
  satisfiesAllRules(): boolean {
    for (let node = 0; node < this.nodes; node += 1) {
      if (!this.open[node]) continue;
      for (const [podClass, n] of this.content[node] ?? []) {
        if (!this.counts.hasRules(podClass)) continue;
        if (node < this.existingCount && n <= (this.#original[node]?.get(podClass) ?? 0)) continue;
        const nodeClass = this.nodeClass[node] ?? 0;
        this.counts.add(podClass, node, nodeClass, -1);
        const isIn = this.counts.satisfiesRules(podClass, node, nodeClass);
        this.counts.add(podClass, node, nodeClass, 1);
        if (!isIn) return false;
      }
    }
    return true;
  }

  /** Takes every movable pod off a node; returns what was on it. */
  empty(node: number): [number, number][] {
    const content = [...(this.content[node] as Map<number, number>)];
    for (const [podClass, n] of content) this.put(podClass, node, -n);
    return content;
  }

  /** What a node costs, in USD per hour, its pods apart: as if it were the last that commitments are drawn on for. */
  price(node: number): number {
    const option = this.option[node];
    if (option) return this.priceOf(option);
    return this.#packingCost.priceOfExisting(node, this.open[node] === 1);
  }

  /** What one more node of the column costs. */
  priceOf(option: CompiledOption): number {
    return this.#packingCost.priceOf(option);
  }

  /** What a pod on the node adds to its price. */
  podRisk(node: number): number {
    return this.option[node]?.podRisk ?? this.problem.existingNodes[node]?.podRisk ?? 0;
  }

  /** USD per hour of all open nodes that the plan pays for, with what their risk is expected to cost. */
  cost(): number {
    return this.#packingCost.total(this.nodes, this.open, this.option);
  }

  /** How full a node is, by the worth of what it holds for its price. */
  fullness(node: number, worth: Float64Array): number {
    let held = 0;
    for (const [podClass, n] of this.content[node] ?? []) held += n * (worth[podClass] ?? 0);
    return held / Math.max(this.price(node), 1e-6);
  }

  /** Movable pods that a standing node had at first, per shape. */
  originalContent(node: number): ReadonlyMap<number, number> {
    return this.#original[node] ?? NOTHING;
  }

  originalCount(node: number, podClass: number): number {
    return this.#original[node]?.get(podClass) ?? 0;
  }

  /** Movable pods on nodes that the plan pays for, per shape, and those that wait. */
  demand(waiting: Int32Array): Int32Array {
    const demand = Int32Array.from(waiting);
    this.content.forEach((content, node) => {
      const existing = this.problem.existingNodes[node];
      if (existing && !existing.isCandidate) return;
      for (const [podClass, n] of content) demand[podClass] = (demand[podClass] ?? 0) + n;
    });
    return demand;
  }
}
