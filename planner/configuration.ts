import { HOSTNAME } from '../api/labels.ts';
import type { OfferColumn } from './column.ts';
import { fillBest, type Items, orderByDensity } from './knapsack.ts';
import type { Problem } from './problem.ts';
import { type Column, CoveringProgram } from './simplex.ts';
import { worthOf } from './worth.ts';

/** A way to fill one node of a column; `counts` is pods per shape in demand. */
export interface Pattern extends Column {
  readonly column: OfferColumn;
}

/** A node that may be had as often as wanted: an offer, or a standing candidate at its price. */
export interface Source {
  readonly column: OfferColumn | null;
  readonly price: number;
  readonly room: Float64Array;
  readonly group: number;
}

/** Steps that a knapsack may take, round after round as nothing more is found. */
const STEPS = [60, 600, 4000] as const;
/** Rounds with the two longest searches, which take most of the time and change little. */
const MAX_THOROUGH = 10;
const ENTER_PER_ROUND = 8;
const SMOOTHING = 0.8;
/** What a pod may cost at most, for what its resources cost: beyond it, it counts as not worth a pattern. */
const DEARER = 3;

/** How many pods of a shape one node may hold by the shape's own rules. */
export const perNodeLimits = (problem: Problem): Int32Array =>
  Int32Array.from(problem.shapes, (_, shape) => {
    let most = 2 ** 30;
    for (const rule of problem.rules.ofShape[shape] ?? []) {
      if (rule.kind === 'some') continue;
      const tally = problem.rules.tallies[rule.tally];
      if (!tally || (tally.key !== '' && tally.key !== HOSTNAME) || !tally.counted[shape]) continue;
      // Nodes to come may always be empty ones: the emptiest has none.
      most = Math.min(most, rule.kind === 'none' ? 1 : Math.max(1, rule.maxSkew));
    }
    return most;
  });

/**
 * The configuration program: every way to fill a node is a column, and the columns are found as they are needed. Its
 * value is what the pods cost if nodes could be bought in fractions, each filled as a real node can be filled.
 */
export class ConfigurationProgram {
  readonly problem: Problem;
  readonly shapes: readonly number[];
  readonly patterns: Pattern[] = [];
  private readonly sources: readonly Source[];
  private readonly open: readonly Uint8Array[];
  private readonly items: Items;
  private readonly limits: Int32Array;
  private readonly weights: readonly Float64Array[];
  private readonly demand: Float64Array;
  readonly resourceWorth: Float64Array;
  /** The best lower bound so far, without gifts, and its duals. */
  private best: { readonly value: number; readonly duals: Float64Array };

  /** `prices` are unit prices of the dimensions, `demand` pods per shape. */
  constructor(problem: Problem, sources: readonly Source[], demand: Int32Array, prices: Float64Array) {
    const worth = worthOf(problem, prices);
    this.problem = problem;
    const width = problem.dimensions.length;
    this.shapes = [...demand.keys()].filter((shape) => (demand[shape] ?? 0) > 0);
    this.demand = Float64Array.from(this.shapes, (shape) => demand[shape] ?? 0);
    const limits = perNodeLimits(problem);
    this.limits = Int32Array.from(this.shapes, (shape) => limits[shape] ?? 1);
    this.items = {
      width,
      sizes: Float64Array.from(
        this.shapes.flatMap((shape) => [...problem.sizes.subarray(shape * width, (shape + 1) * width)]),
      ),
      worth: new Float64Array(this.shapes.length),
      limits: Int32Array.from(this.shapes, (shape) => Math.min(limits[shape] ?? 1, demand[shape] ?? 0)),
    };
    this.sources = sources;
    this.open = sources.map((source) => this.openTo(source));
    this.resourceWorth = Float64Array.from(this.shapes, (shape) => worth[shape] ?? 0);
    this.best = { value: 0, duals: this.resourceWorth };
    const units = Array.from({ length: width }, (_, d) => {
      const weight = new Float64Array(width);
      weight[d] = 1;
      return weight;
    });
    this.weights = [
      prices.some((price) => price > 0) ? prices : Float64Array.from({ length: width }, () => 1),
      ...units,
    ];
  }

  /** Per index of `shapes`, 1 where the source's labels and taints let the pod in. */
  private openTo(source: Source): Uint8Array {
    const { allowed, shapes } = this.problem;
    return Uint8Array.from(this.shapes, (shape) => allowed[source.group * shapes.length + shape] ?? 0);
  }

  /**
   * A start: each pod at a little more than its resources cost. That also keeps the duals near those prices, where
   * they end in most cases.
   */
  private begin(dearer: number): CoveringProgram {
    const costs = this.resourceWorth.map((worth) => worth * dearer);
    // Equal demands would make the program stall; a little is added to each, another little every time.
    const demand = this.demand.map((n, index) => n + 1e-4 * ((index * 0.618_033_988_75) % 1) + 1e-6);
    return new CoveringProgram(demand, costs);
  }

  /**
   * Solves by column generation. `isOver` is asked between rounds. Returns the amount of each pattern in use, and the
   * duals, per index of `shapes`.
   */
  solve(
    isOver: () => boolean,
    maxRounds = 200,
    steps: readonly number[] = STEPS,
  ): { readonly use: readonly (readonly [Pattern, number])[]; readonly duals: Float64Array } {
    this.items.worth.set(this.resourceWorth);
    this.patterns.push(...this.price(STEPS[1]).filter((pattern) => pattern.column));
    const program = this.begin(DEARER);
    program.solveOver(this.patterns, 20 * this.shapes.length + 200);
    let effort = 0;
    let smoothing = SMOOTHING;
    let thorough = 0;
    for (let round = 0; round < maxRounds && effort < steps.length && !isOver(); round += 1) {
      while (program.relax());
      const now = program.duals();
      // Prices between those of the program and the best bound's: far fewer rounds (Wentges 1997).
      for (let index = 0; index < now.length; index += 1) {
        this.items.worth[index] =
          smoothing * (this.best.duals[index] ?? 0) + (1 - smoothing) * Math.max(0, now[index] ?? 0);
      }
      if (effort >= 2 && ++thorough > MAX_THOROUGH) break;
      const found = this.price(steps[effort] ?? 0);
      let entered = 0;
      for (const pattern of found) {
        if (entered >= ENTER_PER_ROUND) break;
        if (!program.pays(pattern)) continue;
        if (!program.enter(pattern, pattern.rows, pattern.values, pattern.cost)) continue;
        entered += 1;
        if (pattern.column) this.patterns.push(pattern);
      }
      if (entered > 0) smoothing = SMOOTHING;
      else if (smoothing > 0) smoothing = smoothing > 0.3 ? smoothing - 0.3 : 0;
      else effort += 1;
      if (program.cost() <= this.best.value * (1 + 1e-6)) break;
    }
    while (program.relax());
    const use = program.basis.flatMap((pattern, index): (readonly [Pattern, number])[] => {
      const amount = program.amounts[index] ?? 0;
      return pattern && amount > 1e-7 && 'column' in pattern && pattern.column
        ? [[pattern as Pattern, amount]]
        : [];
    });
    this.items.worth.set(program.duals().map((dual) => Math.max(0, dual)));
    this.price(STEPS[1]);
    return { use, duals: this.best.duals };
  }

  /** The candidates of a source, in the order that the present worths ask for. */
  private inOrder(order: Int32Array, allowed: Uint8Array): Int32Array {
    return order.filter((index) => allowed[index]);
  }

  /** Fillings that are worth more than their node costs, the best for its price first. */
  private price(maxSteps: number): Pattern[] {
    const order = orderByDensity(this.items, this.weights[0] ?? new Float64Array(this.items.width));
    const found: { pattern: Pattern; rate: number }[] = [];
    let most = 0;
    this.sources.forEach((source, s) => {
      const open = this.inOrder(order, this.open[s] ?? new Uint8Array());
      const filling = fillBest(this.items, open, source.room, this.weights, maxSteps);
      most = Math.max(most, filling.most / source.price);
      if (filling.value <= 0) return;
      found.push({ pattern: this.patternOf(source, filling.counts), rate: filling.value / source.price });
    });
    let total = 0;
    for (let index = 0; index < this.demand.length; index += 1) {
      total += (this.demand[index] ?? 0) * (this.items.worth[index] ?? 0);
    }
    if (most > 0 && total / most > this.best.value) {
      this.best = { value: total / most, duals: this.items.worth.map((worth) => worth / most) };
    }
    return found.sort((a, b) => b.rate - a.rate).map((each) => each.pattern);
  }

  /** Asks for other numbers of pods, none of a shape that was not asked for before; the patterns found stay. */
  setDemand(demand: Int32Array): void {
    this.shapes.forEach((shape, index) => {
      this.demand[index] = demand[shape] ?? 0;
      this.items.limits[index] = Math.min(this.limits[index] ?? 1, demand[shape] ?? 0);
    });
    this.best = { value: 0, duals: this.resourceWorth };
  }

  private patternOf(source: Source, counts: Int32Array): Pattern {
    const rows = [...counts.keys()].filter((index) => (counts[index] ?? 0) > 0);
    return {
      rows: Int32Array.from(rows),
      values: Float64Array.from(rows, (index) => counts[index] ?? 0),
      cost: source.price,
      column: source.column as OfferColumn,
    };
  }

  /**
   * A lower bound from any duals: scaled so that no node's best content is worth more than the node, they price the
   * demand at no more than it must cost (Farley 1990). `gifts` are rooms that cost nothing and can be used once.
   */
  bound(duals: Float64Array, gifts: readonly Source[], maxSteps: number): number {
    this.items.worth.set(duals);
    const order = orderByDensity(this.items, this.weights[0] ?? new Float64Array(this.items.width));
    const best = (source: Source, open: Uint8Array, steps: number): number =>
      fillBest(this.items, this.inOrder(order, open), source.room, this.weights, steps).most;
    let most = 0;
    this.sources.forEach((source, s) => {
      const value = best(source, this.open[s] ?? new Uint8Array(), maxSteps);
      if (source.price > 0) most = Math.max(most, value / source.price);
      else if (value > 0) most = Number.POSITIVE_INFINITY;
    });
    let total = 0;
    this.demand.forEach((n, index) => {
      total += n * (duals[index] ?? 0);
    });
    const scaled = most > 0 ? total / most : 0;
    const rates = this.weights.map((weight) => {
      let rate = 0;
      for (let index = 0; index < duals.length; index += 1) {
        let size = 0;
        for (let d = 0; d < this.items.width; d += 1) {
          size += (weight[d] ?? 0) * (this.items.sizes[index * this.items.width + d] ?? 0);
        }
        const worth = duals[index] ?? 0;
        if (worth > 0) rate = Math.max(rate, size > 0 ? worth / size : Number.POSITIVE_INFINITY);
      }
      return rate;
    });
    let given = 0;
    for (const gift of gifts) {
      let least = Number.POSITIVE_INFINITY;
      this.weights.forEach((weight, w) => {
        const rate = rates[w] ?? 0;
        const room = gift.room.reduce((sum, value, d) => sum + (weight[d] ?? 0) * value, 0);
        if (Number.isFinite(rate)) least = Math.min(least, rate * room);
      });
      given += least;
    }
    return most > 0 ? Math.max(0, (scaled - given / most) * (1 - 1e-9)) : 0;
  }
}
