import { unitPrices, worthOf } from '../bound/shadowprices.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import { floatAt } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';

/** Parameters of placing pods, and the nodes that may be opened. */
export interface FillOptions {
  /** Unit prices of the dimensions, in USD per hour. */
  readonly prices: Float64Array;
  /** The worth of a pod, per pod class. */
  readonly worth: Float64Array;
  /** Pod classes in the order in which they are placed. */
  readonly order: Int32Array;
  /** Nodes that may be bought. */
  readonly options: readonly CompiledOption[];
  /** Closed candidates that may be opened again at their price. */
  readonly reopen?: readonly number[];
  /** Whether the time for it is over: pods that must be together are then no longer moved for each other's sake. */
  readonly isOver?: () => boolean;
}

/** Pod classes, the most worth first, equal ones by number so that results are reproducible. */
export const orderByWorth = (worth: Float64Array): Int32Array =>
  Int32Array.from([...worth.keys()].sort((a, b) => floatAt(worth, b) - floatAt(worth, a) || a - b));

/** Fill options for pods to place, per pod class, at the prices of their own demand. */
export const fillOptionsFor = (problem: Problem, demand: Int32Array): FillOptions => {
  const prices = unitPrices(problem, demand);
  const worth = worthOf(problem, prices);
  return { prices, worth, order: orderByWorth(worth), options: problem.options };
};
