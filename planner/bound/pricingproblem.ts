import { HOSTNAME } from '../../api/labels.ts';
import { mustGet } from '../../api/mustget.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import { itemAt, readers } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';
import { type Filling, fillBest, type Items, orderByDensity } from './knapsack.ts';

const { byteAt, floatAt, intAt } = readers;

/** A kind of node that the linear program may use any number of times: an option, or an existing candidate. */
export interface NodeKind {
  /** undefined for an existing candidate. */
  readonly option: CompiledOption | undefined;
  /** USD per hour. */
  readonly price: number;
  /** What each pod on it adds to the price, in USD per hour. */
  readonly podRisk: number;
  /** Per dimension. */
  readonly room: Float64Array;
  readonly nodeClass: number;
}

/** Stands for no limit on the pods of a class on one node. */
const NO_LIMIT = 2 ** 30;

/** The most pods of each class that one node may hold by the class's own rules. */
export const perNodeLimits = ({ podClasses, rules }: Problem): Int32Array =>
  Int32Array.from(podClasses, (_, podClass) => {
    let most = NO_LIMIT;
    for (const rule of itemAt(rules.ofPodClass, podClass)) {
      if (rule.kind === 'some') continue;
      const { key, counted } = itemAt(rules.tallies, rule.tally);
      if ((key !== '' && key !== HOSTNAME) || byteAt(counted, podClass) === 0) continue;
      // A new node may always stay empty, so the emptiest domain counts as empty.
      most = Math.min(most, rule.kind === 'none' ? 1 : Math.max(1, rule.maxSkew));
    }
    return most;
  });

/** Drops node kinds that repeat an earlier one in all that a filling depends on, such as zones at one price. */
export const distinctNodeKinds = ({ allowed }: Problem, nodeKinds: readonly NodeKind[]): NodeKind[] => {
  const rowTexts = new Map<number, string>();
  const rowText = (nodeClass: number): string => {
    const text = rowTexts.get(nodeClass) ?? allowed.rowText(nodeClass);
    rowTexts.set(nodeClass, text);
    return text;
  };
  const distinct = new Map<string, NodeKind>();
  for (const nodeKind of nodeKinds) {
    const { price, podRisk, room, nodeClass } = nodeKind;
    const key = `${price} ${podRisk} ${room.join(' ')} ${rowText(nodeClass)}`;
    if (!distinct.has(key)) distinct.set(key, nodeKind);
  }
  return [...distinct.values()];
};

/** The pricing problem of column generation: the filling of each node kind that is worth most, for changing worths. */
export class PricingProblem {
  /** The pod classes in demand. Everything else here is indexed by their place in this list. */
  readonly podClasses: readonly number[];
  readonly nodeKinds: readonly NodeKind[];
  readonly items: Items;
  readonly hasRisk: boolean;
  /** Price vectors over dimensions. Each turns the many sizes of an item into one. */
  readonly #weights: readonly Float64Array[];
  readonly #limits: Int32Array;
  /** Per node class in use, 1 for each pod class that it may hold. */
  readonly #allowed = new Map<number, Uint8Array>();

  /** `prices` are unit prices of the dimensions, `demand` is pods per class. */
  constructor(problem: Problem, nodeKinds: readonly NodeKind[], demand: Int32Array, prices: Float64Array) {
    const width = problem.dimensions.length;
    this.nodeKinds = nodeKinds;
    this.hasRisk = nodeKinds.some((nodeKind) => nodeKind.podRisk > 0);
    this.podClasses = [...demand.keys()].filter((podClass) => intAt(demand, podClass) > 0);
    const limits = perNodeLimits(problem);
    this.#limits = Int32Array.from(this.podClasses, (podClass) => intAt(limits, podClass));
    this.items = {
      width,
      sizes: Float64Array.from(this.podClasses.flatMap((podClass) => [...problem.sizes.row(podClass)])),
      worth: new Float64Array(this.podClasses.length),
      limits: Int32Array.from(this.podClasses, (podClass) =>
        Math.min(intAt(limits, podClass), intAt(demand, podClass)),
      ),
    };
    for (const { nodeClass } of nodeKinds) {
      if (this.#allowed.has(nodeClass)) continue;
      const allowed = this.podClasses.map((podClass) => (problem.allowed.has(nodeClass, podClass) ? 1 : 0));
      this.#allowed.set(nodeClass, Uint8Array.from(allowed));
    }
    const units = Array.from({ length: width }, (_, d) => {
      const weight = new Float64Array(width);
      weight[d] = 1;
      return weight;
    });
    const isPriced = prices.some((price) => price > 0);
    this.#weights = [isPriced ? prices : Float64Array.from({ length: width }, () => 1), ...units];
  }

  /** Changes the demand; pod classes that were not in the first demand are left out. */
  setDemand(demand: Int32Array): void {
    this.podClasses.forEach((podClass, index) => {
      this.items.limits[index] = Math.min(intAt(this.#limits, index), intAt(demand, podClass));
    });
  }

  /** The best filling of each node kind at the present worths, less the expected cost of interruptions. */
  fillAll(maxSteps: number): { readonly nodeKind: NodeKind; readonly filling: Filling }[] {
    const { items } = this;
    const prices = itemAt(this.#weights, 0);
    const order = orderByDensity(items, prices);
    const candidatesOf = new Map<number, Int32Array>();
    for (const [nodeClass, allowed] of this.#allowed) {
      candidatesOf.set(
        nodeClass,
        order.filter((index) => byteAt(allowed, index) === 1),
      );
    }
    return this.nodeKinds.map((nodeKind) => {
      const candidates = mustGet(candidatesOf, nodeKind.nodeClass, 'candidates of node class');
      const { podRisk } = nodeKind;
      const net = podRisk > 0 ? { ...items, worth: items.worth.map((worth) => worth - podRisk) } : items;
      return { nodeKind, filling: fillBest(net, candidates, nodeKind.room, prices, maxSteps) };
    });
  }

  /** The most that free rooms, each used once, can be worth at the present worths. */
  maxWorthOf(rooms: readonly Float64Array[]): number {
    const { worth, sizes, width } = this.items;
    const rates = this.#weights.map((weight) => {
      let rate = 0;
      for (let index = 0; index < worth.length; index += 1) {
        let size = 0;
        for (let d = 0; d < width; d += 1) size += floatAt(weight, d) * floatAt(sizes, index * width + d);
        const own = floatAt(worth, index);
        if (own > 0) rate = Math.max(rate, size > 0 ? own / size : Number.POSITIVE_INFINITY);
      }
      return rate;
    });
    let total = 0;
    for (const room of rooms) {
      let least = Number.POSITIVE_INFINITY;
      this.#weights.forEach((weight, w) => {
        const rate = itemAt(rates, w);
        const size = room.reduce((sum, value, d) => sum + floatAt(weight, d) * value, 0);
        if (Number.isFinite(rate)) least = Math.min(least, rate * size);
      });
      total += least;
    }
    return total;
  }
}
