import type { CompiledOption } from '../packing/compiledoption.ts';
import { readers } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';
import type { Filling } from './knapsack.ts';
import { type NodeKind, PricingProblem } from './pricingproblem.ts';
import { worthOf } from './shadowprices.ts';
import { type Column, CoveringProgram } from './simplex.ts';

const { floatAt, intAt } = readers;

/** A filling of one node as a column of the linear program: its rows are the pod classes in demand. */
interface FillingColumn extends Column {
  /** undefined where the node is an existing candidate. */
  readonly option: CompiledOption | undefined;
}

/** A filling of a node to buy. */
export interface Pattern extends FillingColumn {
  readonly option: CompiledOption;
}

const isPattern = (column: Column): column is Pattern => 'option' in column && column.option !== undefined;

/** Search steps per knapsack: the next number is used once a round finds nothing. */
const STEPS = [60, 600, 4000] as const;
/** Rounds with the two longest searches at most: they take most of the time and change little. */
const MAX_THOROUGH = 10;
const ENTER_PER_ROUND = 8;
/** The weight of the best bound's duals beside the program's own. */
const SMOOTHING = 0.8;
/** Cost of an artificial column, as a multiple of what the pod's resources cost. */
const ARTIFICIAL_COST = 3;

/**
 * The linear program with one column per filling of a node, found as they are needed (Gilmore and Gomory 1961). Its
 * value is what the pods cost if nodes could be bought in fractions, each filled as a real node can be filled.
 */
export class ColumnGeneration {
  readonly patterns: Pattern[] = [];
  readonly #pricing: PricingProblem;
  readonly #demand: Float64Array;
  /** Per pod class in demand, the worth of a pod at the unit prices. */
  readonly resourceWorth: Float64Array;
  /** The best lower bound so far, free rooms left aside, and its duals. */
  #best: { readonly value: number; readonly duals: Float64Array };

  /** `prices` are unit prices of the dimensions, `demand` is pods per class. */
  constructor(problem: Problem, nodeKinds: readonly NodeKind[], demand: Int32Array, prices: Float64Array) {
    this.#pricing = new PricingProblem(problem, nodeKinds, demand, prices);
    const worth = worthOf(problem, prices);
    this.#demand = Float64Array.from(this.podClasses, (podClass) => intAt(demand, podClass));
    this.resourceWorth = Float64Array.from(this.podClasses, (podClass) => floatAt(worth, podClass));
    this.#best = { value: 0, duals: this.resourceWorth };
  }

  /** The pod classes in demand. */
  get podClasses(): readonly number[] {
    return this.#pricing.podClasses;
  }

  get #worth(): Float64Array {
    return this.#pricing.items.worth;
  }

  /** The program with artificial columns alone; their costs keep the duals near the unit prices, where most end. */
  #start(): CoveringProgram {
    const costs = this.resourceWorth.map((worth) => worth * ARTIFICIAL_COST);
    // Equal demands make the simplex method stall, so each gets a slightly different surplus.
    const demand = this.#demand.map((n, index) => n + 1e-4 * ((index * 0.618_033_988_75) % 1) + 1e-6);
    return new CoveringProgram(demand, costs);
  }

  /**
   * Solves by column generation; `isOver` is asked between rounds. Returns the amount of each pattern in use, and the
   * duals, indexed as `podClasses`.
   */
  solve(
    isOver: () => boolean,
    maxRounds = 200,
    steps: readonly number[] = STEPS,
  ): { readonly use: readonly (readonly [Pattern, number])[]; readonly duals: Float64Array } {
    this.#worth.set(this.resourceWorth);
    this.patterns.push(...this.#price(STEPS[1]).filter(isPattern));
    const program = this.#start();
    program.solveOver(this.patterns, 20 * this.podClasses.length + 200);
    let effort = 0;
    let smoothing = SMOOTHING;
    let thorough = 0;
    for (let round = 0; round < maxRounds && !isOver(); round += 1) {
      const maxSteps = steps[effort];
      if (maxSteps === undefined) break;
      while (program.relax());
      const duals = program.duals();
      // Duals between the program's and the best bound's need far fewer rounds (Wentges 1997).
      for (let index = 0; index < duals.length; index += 1) {
        this.#worth[index] =
          smoothing * floatAt(this.#best.duals, index) + (1 - smoothing) * Math.max(0, floatAt(duals, index));
      }
      if (effort >= 2 && ++thorough > MAX_THOROUGH) break;
      const found = this.#price(maxSteps);
      let entered = 0;
      for (const pattern of found) {
        if (entered >= ENTER_PER_ROUND) break;
        if (!program.pays(pattern)) continue;
        if (!program.enter(pattern, pattern.rows, pattern.values, pattern.cost)) continue;
        entered += 1;
        if (isPattern(pattern)) this.patterns.push(pattern);
      }
      if (entered > 0) smoothing = SMOOTHING;
      else if (smoothing > 0) smoothing = smoothing > 0.3 ? smoothing - 0.3 : 0;
      else effort += 1;
      if (program.cost() <= this.#best.value * (1 + 1e-6)) break;
    }
    while (program.relax());
    const use = program.basis.flatMap((pattern, index): (readonly [Pattern, number])[] => {
      const amount = floatAt(program.amounts, index);
      return pattern && amount > 1e-7 && isPattern(pattern) ? [[pattern, amount]] : [];
    });
    this.#worth.set(program.duals().map((dual) => Math.max(0, dual)));
    this.#price(STEPS[1]);
    return { use, duals: this.#best.duals };
  }

  /** Total worth of the demand. */
  #totalOf(worth: Float64Array): number {
    return this.#demand.reduce((sum, n, index) => sum + n * floatAt(worth, index), 0);
  }

  /**
   * The divisor of the present worths that makes no filling worth more than its node costs (Farley 1990). At least 1
   * where pods add risk to the price: such worths may be lowered, but not raised.
   */
  #divisorOf(fillings: readonly { nodeKind: NodeKind; filling: Filling }[]): number {
    let most = this.#pricing.hasRisk ? 1 : 0;
    for (const { nodeKind, filling } of fillings) {
      if (nodeKind.price > 0) most = Math.max(most, filling.upperBound / nodeKind.price);
      else if (filling.upperBound > 0) most = Number.POSITIVE_INFINITY;
    }
    return most;
  }

  /** Patterns for the present worths, the one with the most worth for its price first. */
  #price(maxSteps: number): FillingColumn[] {
    const fillings = this.#pricing.fillAll(maxSteps);
    const divisor = this.#divisorOf(fillings);
    const total = this.#totalOf(this.#worth);
    if (divisor > 0 && total / divisor > this.#best.value) {
      this.#best = { value: total / divisor, duals: this.#worth.map((worth) => worth / divisor) };
    }
    return fillings
      .filter(({ filling }) => filling.value > 0)
      .map(({ nodeKind, filling }) => ({
        column: this.#columnOf(nodeKind, filling.counts),
        rate: filling.value / nodeKind.price,
      }))
      .sort((a, b) => b.rate - a.rate)
      .map(({ column }) => column);
  }

  /** Changes the demand, of the same pod classes or fewer; the patterns found so far stay. */
  setDemand(demand: Int32Array): void {
    this.podClasses.forEach((podClass, index) => {
      this.#demand[index] = intAt(demand, podClass);
    });
    this.#pricing.setDemand(demand);
    this.#best = { value: 0, duals: this.resourceWorth };
  }

  #columnOf(nodeKind: NodeKind, counts: Int32Array): FillingColumn {
    const rows = [...counts.keys()].filter((index) => intAt(counts, index) > 0);
    return {
      rows: Int32Array.from(rows),
      values: Float64Array.from(rows, (index) => intAt(counts, index)),
      cost: nodeKind.price + nodeKind.podRisk * counts.reduce((sum, n) => sum + n, 0),
      option: nodeKind.option,
    };
  }

  /**
   * A lower bound from any duals, divided so that no filling is worth more than its node. `freeRooms` cost nothing and
   * can be used once each.
   */
  bound(duals: Float64Array, freeRooms: readonly Float64Array[], maxSteps: number): number {
    this.#worth.set(duals);
    let divisor = this.#divisorOf(this.#pricing.fillAll(maxSteps));
    if (divisor === 1 && this.#pricing.hasRisk) {
      // No filling is worth its node yet: the duals are raised first until one is.
      let raised = 0;
      for (const { nodeKind, filling } of this.#pricing.fillAll(maxSteps)) {
        raised = Math.max(raised, filling.upperBound / nodeKind.price);
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
