import { HOSTNAME } from '../../api/labels.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import type { Problem } from '../packing/problem.ts';
import { type Filling, fillBest, type Items, orderByDensity } from './knapsack.ts';

/** A node that may be had as often as wanted: an offer, or a standing candidate at its price. */
export interface NodeKind {
  readonly option: CompiledOption | null;
  readonly price: number;
  /** What each pod on it adds to the price. */
  readonly podRisk: number;
  readonly room: Float64Array;
  readonly nodeClass: number;
}

/** How many pods of a shape one node may hold by the shape's own rules. */
export const perNodeLimits = (problem: Problem): Int32Array =>
  Int32Array.from(problem.podClasses, (_, podClass) => {
    let most = 2 ** 30;
    for (const rule of problem.rules.ofPodClass[podClass] ?? []) {
      if (rule.kind === 'some') continue;
      const tally = problem.rules.tallies[rule.tally];
      if (!tally || (tally.key !== '' && tally.key !== HOSTNAME) || !tally.counted[podClass]) continue;
      // Nodes to come may always be empty ones: the emptiest has none.
      most = Math.min(most, rule.kind === 'none' ? 1 : Math.max(1, rule.maxSkew));
    }
    return most;
  });

/** Sources without those that differ in nothing that a filling depends on, such as zones at one price. */
export const distinctNodeKinds = (problem: Problem, nodeKinds: readonly NodeKind[]): NodeKind[] => {
  const width = problem.podClasses.length;
  const rows = new Map<number, string>();
  const rowOf = (nodeClass: number): string => {
    const row =
      rows.get(nodeClass) ?? problem.allowed.subarray(nodeClass * width, (nodeClass + 1) * width).join('');
    rows.set(nodeClass, row);
    return row;
  };
  const seen = new Map<string, NodeKind>();
  for (const nodeKind of nodeKinds) {
    const key = `${nodeKind.price} ${nodeKind.podRisk} ${nodeKind.room.join(' ')} ${rowOf(nodeKind.nodeClass)}`;
    if (!seen.has(key)) seen.set(key, nodeKind);
  }
  return [...seen.values()];
};

/** What nodes can hold that is worth most, for worths that change: the question that column generation asks. */
export class PricingProblem {
  /** Shapes in demand. Everything else here is per index of them. */
  readonly podClasses: readonly number[];
  readonly nodeKinds: readonly NodeKind[];
  readonly items: Items;
  readonly hasRisk: boolean;
  /** Price vectors over dimensions that make one size of many. */
  readonly #weights: readonly Float64Array[];
  readonly #limits: Int32Array;
  readonly #open: readonly Uint8Array[];

  /** `prices` are unit prices of the dimensions, `demand` pods per shape. */
  constructor(problem: Problem, nodeKinds: readonly NodeKind[], demand: Int32Array, prices: Float64Array) {
    const width = problem.dimensions.length;
    this.nodeKinds = nodeKinds;
    this.hasRisk = nodeKinds.some((nodeKind) => nodeKind.podRisk > 0);
    this.podClasses = [...demand.keys()].filter((podClass) => (demand[podClass] ?? 0) > 0);
    const limits = perNodeLimits(problem);
    this.#limits = Int32Array.from(this.podClasses, (podClass) => limits[podClass] ?? 1);
    this.items = {
      width,
      sizes: Float64Array.from(
        this.podClasses.flatMap((podClass) => [
          ...problem.sizes.subarray(podClass * width, (podClass + 1) * width),
        ]),
      ),
      worth: new Float64Array(this.podClasses.length),
      limits: Int32Array.from(this.podClasses, (podClass) =>
        Math.min(limits[podClass] ?? 1, demand[podClass] ?? 0),
      ),
    };
    this.#open = nodeKinds.map((nodeKind) =>
      Uint8Array.from(
        this.podClasses,
        (podClass) => problem.allowed[nodeKind.nodeClass * problem.podClasses.length + podClass] ?? 0,
      ),
    );
    const units = Array.from({ length: width }, (_, d) => {
      const weight = new Float64Array(width);
      weight[d] = 1;
      return weight;
    });
    const isPriced = prices.some((price) => price > 0);
    this.#weights = [isPriced ? prices : Float64Array.from({ length: width }, () => 1), ...units];
  }

  /** Asks for other numbers of pods. */
  setDemand(demand: Int32Array): void {
    this.podClasses.forEach((podClass, index) => {
      this.items.limits[index] = Math.min(this.#limits[index] ?? 1, demand[podClass] ?? 0);
    });
  }

  /** The best filling of each source at the present worths, less what the risk of its pods costs. */
  fillAll(maxSteps: number): { readonly nodeKind: NodeKind; readonly filling: Filling }[] {
    const { items } = this;
    const order = orderByDensity(items, this.#weights[0] ?? new Float64Array(items.width));
    return this.nodeKinds.map((nodeKind, s) => {
      const open = this.#open[s] ?? new Uint8Array();
      const candidates = order.filter((index) => open[index]);
      const { podRisk } = nodeKind;
      const net = podRisk > 0 ? { ...items, worth: items.worth.map((worth) => worth - podRisk) } : items;
      return { nodeKind, filling: fillBest(net, candidates, nodeKind.room, this.#weights, maxSteps) };
    });
  }

  /** What rooms that cost nothing and can be used once are worth at most, at the present worths. */
  maxWorthOf(rooms: readonly Float64Array[]): number {
    const { worth, sizes, width } = this.items;
    const rates = this.#weights.map((weight) => {
      let rate = 0;
      for (let index = 0; index < worth.length; index += 1) {
        let size = 0;
        for (let d = 0; d < width; d += 1) size += (weight[d] ?? 0) * (sizes[index * width + d] ?? 0);
        const own = worth[index] ?? 0;
        if (own > 0) rate = Math.max(rate, size > 0 ? own / size : Number.POSITIVE_INFINITY);
      }
      return rate;
    });
    let most = 0;
    for (const room of rooms) {
      let least = Number.POSITIVE_INFINITY;
      this.#weights.forEach((weight, w) => {
        const rate = rates[w] ?? 0;
        const size = room.reduce((sum, value, d) => sum + (weight[d] ?? 0) * value, 0);
        if (Number.isFinite(rate)) least = Math.min(least, rate * size);
      });
      most += least;
    }
    return most;
  }
}
