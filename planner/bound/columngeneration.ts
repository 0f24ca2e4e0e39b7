import type { CompiledOption } from '../packing/compiledoption.ts';
import type { Problem } from '../packing/problem.ts';
import type { Filling } from './knapsack.ts';
import { type NodeKind, PricingProblem } from './pricingproblem.ts';
import { worthOf } from './shadowprices.ts';
import { type Column, CoveringProgram } from './simplex.ts';

/** A way to fill one node of a column; `counts` is pods per shape in demand. */
export interface Pattern extends Column {
  readonly option: CompiledOption;
}

/** Steps that a knapsack may take, round after round as nothing more is found. */
const STEPS = [60, 600, 4000] as const;
/** Rounds with the two longest searches, which take most of the time and change little. */
const MAX_THOROUGH = 10;
const ENTER_PER_ROUND = 8;
const SMOOTHING = 0.8;
/** What a pod may cost at most, for what its resources cost: beyond it, it counts as not worth a pattern. */
const DEARER = 3;

/**
 * The configuration program: every way to fill a node is a column, and the columns are found as they are needed. Its
 * value is what the pods cost if nodes could be bought in fractions, each filled as a real node can be filled.
 */
export class ColumnGeneration {
  readonly patterns: Pattern[] = [];
  readonly #pricing: PricingProblem;
  readonly #demand: Float64Array;
  readonly resourceWorth: Float64Array;
  /** The best lower bound so far, without gifts, and its duals. */
  #best: { readonly value: number; readonly duals: Float64Array };

  /** `prices` are unit prices of the dimensions, `demand` pods per shape. */
  constructor(problem: Problem, nodeKinds: readonly NodeKind[], demand: Int32Array, prices: Float64Array) {
    this.#pricing = new PricingProblem(problem, nodeKinds, demand, prices);
    const worth = worthOf(problem, prices);
    this.#demand = Float64Array.from(this.podClasses, (podClass) => demand[podClass] ?? 0);
    this.resourceWorth = Float64Array.from(this.podClasses, (podClass) => worth[podClass] ?? 0);
    this.#best = { value: 0, duals: this.resourceWorth };
  }

  /** Shapes in demand. */
  get podClasses(): readonly number[] {
    return this.#pricing.podClasses;
  }

  get #worth(): Float64Array {
    return this.#pricing.items.worth;
  }

  /**
   * A start: each pod at a little more than its resources cost. That also keeps the duals near those prices, where
   * they end in most cases.
   */
  #begin(dearer: number): CoveringProgram {
    const costs = this.resourceWorth.map((worth) => worth * dearer);
    // Equal demands would make the program stall; a little is added to each, another little every time.
    const demand = this.#demand.map((n, index) => n + 1e-4 * ((index * 0.618_033_988_75) % 1) + 1e-6);
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
    this.#worth.set(this.resourceWorth);
    this.patterns.push(...this.#price(STEPS[1]).filter((pattern) => pattern.option));
    const program = this.#begin(DEARER);
    program.solveOver(this.patterns, 20 * this.podClasses.length + 200);
    let effort = 0;
    let smoothing = SMOOTHING;
    let thorough = 0;
    for (let round = 0; round < maxRounds && effort < steps.length && !isOver(); round += 1) {
      while (program.relax());
      const now = program.duals();
      // Prices between those of the program and the best bound's: far fewer rounds (Wentges 1997).
      for (let index = 0; index < now.length; index += 1) {
        this.#worth[index] =
          smoothing * (this.#best.duals[index] ?? 0) + (1 - smoothing) * Math.max(0, now[index] ?? 0);
      }
      if (effort >= 2 && ++thorough > MAX_THOROUGH) break;
      const found = this.#price(steps[effort] ?? 0);
      let entered = 0;
      for (const pattern of found) {
        if (entered >= ENTER_PER_ROUND) break;
        if (!program.pays(pattern)) continue;
        if (!program.enter(pattern, pattern.rows, pattern.values, pattern.cost)) continue;
        entered += 1;
        if (pattern.option) this.patterns.push(pattern);
      }
      if (entered > 0) smoothing = SMOOTHING;
      else if (smoothing > 0) smoothing = smoothing > 0.3 ? smoothing - 0.3 : 0;
      else effort += 1;
      if (program.cost() <= this.#best.value * (1 + 1e-6)) break;
    }
    while (program.relax());
    const use = program.basis.flatMap((pattern, index): (readonly [Pattern, number])[] => {
      const amount = program.amounts[index] ?? 0;
      return pattern && amount > 1e-7 && 'option' in pattern && pattern.option
        ? [[pattern as Pattern, amount]]
        : [];
    });
    this.#worth.set(program.duals().map((dual) => Math.max(0, dual)));
    this.#price(STEPS[1]);
    return { use, duals: this.#best.duals };
  }

  /** What the demand costs at these worths. */
  #totalOf(worth: Float64Array): number {
    return this.#demand.reduce((sum, n, index) => sum + n * (worth[index] ?? 0), 0);
  }

  /**
   * By how much the present worths must be divided so that no node holds more than it costs (Farley 1990). Where pods
   * add risk to the price, worths may be divided, but not raised.
   */
  #divisorOf(fillings: readonly { nodeKind: NodeKind; filling: Filling }[]): number {
    let most = this.#pricing.hasRisk ? 1 : 0;
    for (const { nodeKind, filling } of fillings) {
      if (nodeKind.price > 0) most = Math.max(most, filling.most / nodeKind.price);
      else if (filling.most > 0) most = Number.POSITIVE_INFINITY;
    }
    return most;
  }

  /** Fillings that are worth more than their node costs, the best for its price first. */
  #price(maxSteps: number): Pattern[] {
    const fillings = this.#pricing.fillAll(maxSteps);
    const divisor = this.#divisorOf(fillings);
    const total = this.#totalOf(this.#worth);
    if (divisor > 0 && total / divisor > this.#best.value) {
      this.#best = { value: total / divisor, duals: this.#worth.map((worth) => worth / divisor) };
    }
    return fillings
      .filter(({ filling }) => filling.value > 0)
      .map(({ nodeKind, filling }) => ({
        pattern: this.#patternOf(nodeKind, filling.counts),
        rate: filling.value / nodeKind.price,
      }))
      .sort((a, b) => b.rate - a.rate)
      .map((each) => each.pattern);
  }

  /** Asks for other numbers of pods, none of a shape that was not asked for before; the patterns found stay. */
  setDemand(demand: Int32Array): void {
    this.podClasses.forEach((podClass, index) => {
      this.#demand[index] = demand[podClass] ?? 0;
    });
    this.#pricing.setDemand(demand);
    this.#best = { value: 0, duals: this.resourceWorth };
  }

  #patternOf(nodeKind: NodeKind, counts: Int32Array): Pattern {
    const rows = [...counts.keys()].filter((index) => (counts[index] ?? 0) > 0);
    return {
      rows: Int32Array.from(rows),
      values: Float64Array.from(rows, (index) => counts[index] ?? 0),
      cost: nodeKind.price + nodeKind.podRisk * counts.reduce((sum, n) => sum + n, 0),
      option: nodeKind.option as CompiledOption,
    };
  }

  /**
   * A lower bound from any duals: divided so that no node's best content is worth more than the node, they price the
   * demand at no more than it must cost. `gifts` are rooms that cost nothing and can be used once.
   */
  bound(duals: Float64Array, freeRooms: readonly Float64Array[], maxSteps: number): number {
    this.#worth.set(duals);
    let divisor = this.#divisorOf(this.#pricing.fillAll(maxSteps));
    if (divisor === 1 && this.#pricing.hasRisk) {
      // Too low to be divided: raised first until some node's content is worth the node.
      let raised = 0;
      for (const { nodeKind, filling } of this.#pricing.fillAll(maxSteps)) {
        raised = Math.max(raised, filling.most / nodeKind.price);
      }
      if (raised > 0 && raised < 1) {
        this.#worth.set(duals.map((dual) => dual / raised));
        divisor = this.#divisorOf(this.#pricing.fillAll(maxSteps));
      }
    }
    if (divisor <= 0) return 0;
    const worth = this.#totalOf(this.#worth) - this.#pricing.maxWorthOf(freeRooms);
    return Math.max(0, (worth / divisor) * (1 - 1e-9));
  }
}
