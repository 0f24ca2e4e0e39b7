import type { CompiledOption } from './compiledoption.ts';
import { PackingCost } from './cost.ts';
import { DomainCounts } from './domaincounts.ts';
import { type ExistingNode, mustGoIn } from './existingnode.ts';
import { outOfRange, readers } from './matrix.ts';
import { OriginalContent } from './originalcontent.ts';
import { PoolLimits } from './poollimits.ts';
import type { Problem } from './problem.ts';
import { type Change, UndoLog } from './undolog.ts';

const { byteAt, floatAt, intAt } = readers;

/**
 * The pods and nodes of an answer while the search changes it. Nodes are numbered, existing ones first, then bought
 * ones; an existing candidate costs its price while it is open, a bought node the price of its option.
 */
export class Packing {
  readonly problem: Problem;
  readonly counts: DomainCounts;
  readonly limits: PoolLimits;
  readonly original: OriginalContent;
  readonly undoLog = new UndoLog();
  /** The number of dimensions. */
  readonly width: number;
  /** Room left, nodes × dimensions. */
  free: Float64Array;
  /** Node class per node. */
  nodeClass: Int32Array;
  /** Per node, 1 if it is open. */
  open: Uint8Array;
  /** The option of a bought node; undefined for an existing one. */
  readonly option: (CompiledOption | undefined)[];
  /** Movable pods per node and pod class. Pods that never move count in `free` and `counts` alone. */
  readonly content: Map<number, number>[];
  /** How many node numbers are in use, sold nodes among them. */
  nodes: number;
  readonly existingCount: number;
  /** Numbers of sold nodes, to be used again. */
  readonly #sold: number[] = [];
  readonly #cost: PackingCost;

  /** Starts with every existing node open and every pod where it is. */
  constructor(problem: Problem) {
    this.problem = problem;
    this.width = problem.dimensions.length;
    this.existingCount = problem.existingNodes.length;
    this.nodes = this.existingCount;
    const size = Math.max(16, this.existingCount * 2);
    this.free = new Float64Array(size * this.width);
    this.free.set(problem.existingFree.values);
    this.nodeClass = new Int32Array(size);
    this.nodeClass.set(problem.existingNodeClass);
    this.open = new Uint8Array(size).fill(1, 0, this.existingCount);
    this.option = problem.existingNodes.map(() => undefined);
    this.counts = new DomainCounts(problem, size);
    this.limits = new PoolLimits(problem);
    this.#cost = new PackingCost(problem);
    const coming = Int32Array.from(problem.pending);
    this.content = problem.existingNodes.map((existing, node) => {
      const content = new Map<number, number>();
      const podClasses =
        problem.existingPodClasses[node] ?? outOfRange(node, problem.existingPodClasses.length);
      existing.view.pods.forEach((pod, index) => {
        const podClass = intAt(podClasses, index);
        if (existing.movable.has(pod)) {
          content.set(podClass, (content.get(podClass) ?? 0) + 1);
          coming[podClass] = intAt(coming, podClass) + 1;
          this.#cost.addRisk(existing.podRisk ?? 0);
        } else this.counts.add(podClass, node, intAt(this.nodeClass, node), 1);
      });
      return content;
    });
    this.counts.setSpreadQuotas(coming);
    this.content.forEach((content, node) => {
      for (const [podClass, n] of content) this.counts.add(podClass, node, intAt(this.nodeClass, node), n);
    });
    this.original = new OriginalContent(this.content, mustGoIn(problem.existingNodes));
    this.cost();
  }

  /** Undoes every change since a mark of the undo log, by default since it began to record. */
  undo(mark = 0): void {
    this.undoLog.rollBack(mark, (change: Change) => {
      if (change.kind === 'put') this.put(change.podClass, change.node, -change.n);
      else if (change.kind === 'open') this.#switch(change.node, change.was);
      else if (change.option) this.#place(change.node, change.option);
      else this.sell(change.node);
    });
  }

  #grow(): void {
    const size = this.open.length * 2;
    const free = new Float64Array(size * this.width);
    free.set(this.free);
    this.free = free;
    const nodeClass = new Int32Array(size);
    nodeClass.set(this.nodeClass);
    this.nodeClass = nodeClass;
    const open = new Uint8Array(size);
    open.set(this.open);
    this.open = open;
  }

  /** The number that the next bought node will have. */
  nextNode(): number {
    return this.#sold.at(-1) ?? this.nodes;
  }

  /** The room left on a node, per dimension. */
  roomOf(node: number): Float64Array {
    return this.free.subarray(node * this.width, (node + 1) * this.width);
  }

  /** Opens a new, empty node of an option and returns its number. */
  buy(option: CompiledOption): number {
    const node = this.#sold.pop() ?? this.nodes++;
    if (node >= this.open.length) this.#grow();
    this.#place(node, option);
    this.undoLog.record({ kind: 'bought', node, option: undefined });
    return node;
  }

  #place(node: number, option: CompiledOption): void {
    this.limits.countBought(option, 1);
    this.#cost.count(option, 1);
    const sold = this.#sold.indexOf(node);
    if (sold >= 0) this.#sold.splice(sold, 1);
    this.free.set(option.room, node * this.width);
    this.nodeClass[node] = option.nodeClass;
    this.open[node] = 1;
    this.option[node] = option;
    this.content[node] = new Map();
  }

  /** Removes a bought node. It must be empty. */
  sell(node: number): void {
    const option = this.option[node];
    if (!option) throw new Error(`node ${node} can't be sold: it was not bought`);
    this.undoLog.record({ kind: 'bought', node, option });
    this.limits.countBought(option, -1);
    this.#cost.count(option, -1);
    this.open[node] = 0;
    this.option[node] = undefined;
    this.#sold.push(node);
  }

  /** Opens or closes an existing node, which must have no movable pods when it closes. */
  setOpen(node: number, isOpen: boolean): void {
    this.undoLog.record({ kind: 'open', node, was: byteAt(this.open, node) });
    this.#switch(node, isOpen ? 1 : 0);
  }

  #switch(node: number, to: number): void {
    const { billed } = this.#existing(node);
    if (billed && byteAt(this.open, node) !== to) this.#cost.count(billed, to === 1 ? 1 : -1);
    this.open[node] = to;
  }

  #existing(node: number): ExistingNode {
    return this.problem.existingNodes[node] ?? outOfRange(node, this.problem.existingNodes.length);
  }

  /** How many more pods of the class the node has room for, rules about other pods left aside. */
  roomFor(podClass: number, node: number): number {
    const { sizes, allowed } = this.problem;
    if (!allowed.has(intAt(this.nodeClass, node), podClass)) return 0;
    const { free, width } = this;
    const { values } = sizes;
    const start = sizes.start(podClass);
    const from = node * width;
    let most = Number.POSITIVE_INFINITY;
    for (let d = 0; d < width; d += 1) {
      const size = floatAt(values, start + d);
      if (size <= 0) continue;
      const n = floatAt(free, from + d) / size;
      if (n < most) most = n;
    }
    return most < 1 ? 0 : Math.floor(most);
  }

  /** Puts `n` pods of a class onto a node, or takes them off when n is negative. Checks neither room nor rules. */
  put(podClass: number, node: number, n: number): void {
    const { free, width } = this;
    const { sizes } = this.problem;
    const { values } = sizes;
    const start = sizes.start(podClass);
    const from = node * width;
    for (let d = 0; d < width; d += 1) {
      free[from + d] = floatAt(free, from + d) - floatAt(values, start + d) * n;
    }
    const content = this.content[node] ?? outOfRange(node, this.content.length);
    const before = content.get(podClass) ?? 0;
    const count = before + n;
    if (node < this.existingCount) this.original.recount(node, podClass, before, count);
    this.undoLog.record({ kind: 'put', podClass, node, n });
    if (count === 0) content.delete(podClass);
    else content.set(podClass, count);
    this.counts.add(podClass, node, intAt(this.nodeClass, node), n);
    const cost = this.#cost;
    if (cost.hasRisk) cost.addRisk(n * this.podRisk(node));
  }

  /** Puts up to `most` pods onto a node, as far as room and rules allow. Returns how many. */
  putUpTo(podClass: number, node: number, most: number): number {
    const room = Math.min(most, this.roomFor(podClass, node));
    if (room <= 0) return 0;
    const { counts } = this;
    if (!counts.hasRules(podClass)) {
      this.put(podClass, node, room);
      return room;
    }
    const nodeClass = intAt(this.nodeClass, node);
    let put = 0;
    while (put < room && counts.allows(podClass, node, nodeClass)) {
      this.put(podClass, node, 1);
      put += 1;
    }
    return put;
  }

  /**
   * Re-checks every placed pod against the final domain counts: a move out of one domain can break the skew for pods
   * that stay in another.
   */
  satisfiesAllRules(): boolean {
    const { counts } = this;
    for (let node = 0; node < this.nodes; node += 1) {
      if (byteAt(this.open, node) === 0) continue;
      const nodeClass = intAt(this.nodeClass, node);
      for (const [podClass, n] of this.content[node] ?? outOfRange(node, this.content.length)) {
        if (!counts.hasRules(podClass) || n <= this.original.count(node, podClass)) continue;
        counts.add(podClass, node, nodeClass, -1);
        const isSatisfied = counts.satisfiesRules(podClass, node, nodeClass);
        counts.add(podClass, node, nodeClass, 1);
        if (!isSatisfied) return false;
      }
    }
    return true;
  }

  /** Takes every movable pod off a node. Returns pod classes and how many pods of each there were. */
  empty(node: number): [number, number][] {
    const content = [...(this.content[node] ?? outOfRange(node, this.content.length))];
    for (const [podClass, n] of content) this.put(podClass, node, -n);
    return content;
  }

  /** Whether every node costs its price, whatever it holds and however many nodes there are. */
  get isPlain(): boolean {
    return this.#cost.isPlain;
  }

  /** What a node costs without its pods, in USD per hour, as if it were the last one that commitments cover. */
  price(node: number): number {
    const option = this.option[node];
    if (option) return this.priceOf(option);
    return this.#cost.priceOfExisting(node, byteAt(this.open, node) === 1);
  }

  /** What one more node of the option costs, in USD per hour. */
  priceOf(option: CompiledOption): number {
    return this.#cost.priceOf(option);
  }

  /** What each pod on the node adds to its price, in USD per hour. */
  podRisk(node: number): number {
    return (this.option[node] ?? this.problem.existingNodes[node])?.podRisk ?? 0;
  }

  /** What all open nodes cost that the plan pays for, in USD per hour, with the risk of interruptions and premiums. */
  cost(): number {
    return this.#cost.total(this.nodes, this.open, this.option);
  }

  /** The premiums in the cost: of nodes that must go and are still open. */
  premium(): number {
    return this.#cost.premium(this.open);
  }

  /** Pods to place, per pod class: `waiting`, and the movable pods of nodes that the plan pays for. */
  demand(waiting: Int32Array): Int32Array {
    const demand = Int32Array.from(waiting);
    this.content.forEach((content, node) => {
      if (this.problem.existingNodes[node]?.isCandidate === false) return;
      for (const [podClass, n] of content) demand[podClass] = intAt(demand, podClass) + n;
    });
    return demand;
  }
}
