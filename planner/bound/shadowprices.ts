import { floatAt } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';
import { type Column, CoveringProgram } from './simplex.ts';

/**
 * The shadow price of each dimension, in USD per hour and unit: the duals of the linear program that buys nodes in
 * fractions and looks at resources alone. `demand` is pods to place, per pod class.
 */
export const unitPrices = (problem: Problem, demand: Int32Array): Float64Array => {
  const { sizes } = problem;
  const width = problem.dimensions.length;
  const total = new Float64Array(width);
  demand.forEach((n, podClass) => {
    for (let d = 0; d < width; d += 1) total[d] = floatAt(total, d) + n * sizes.at(podClass, d);
  });
  const scale = total.map((value) => (value > 0 ? value : 1));
  const rows = Int32Array.from({ length: width }, (_, d) => d);
  const columns: Column[] = problem.options.map(({ room, price }) => ({
    rows,
    values: room.map((value, d) => value / floatAt(scale, d)),
    cost: price,
  }));
  const most = columns.reduce((sum, column) => sum + column.cost, 1) * 1e3;
  const program = new CoveringProgram(
    Float64Array.from(total, (value) => (value > 0 ? 1 : 0)),
    new Float64Array(width).fill(most),
  );
  program.solveOver(columns, 50 * width + 200);
  return program.duals().map((dual, d) => (dual > most / 2 ? 0 : Math.max(0, dual) / floatAt(scale, d)));
};

/** The worth of a pod of each class at these prices; never 0, so that the smallest pod counts. */
export const worthOf = (problem: Problem, prices: Float64Array): Float64Array =>
  Float64Array.from(problem.podClasses, (_, podClass) => {
    let worth = 1e-9;
    for (let d = 0; d < prices.length; d += 1) worth += floatAt(prices, d) * problem.sizes.at(podClass, d);
    return worth;
  });
