import type { Problem } from '../packing/problem.ts';
import { type Column, CoveringProgram } from './simplex.ts';

/**
 * What a unit of each dimension costs when nodes are bought in fractions: the duals of the resource program. `demand`
 * is the pods to place, per shape.
 */
export const unitPrices = (problem: Problem, demand: Int32Array): Float64Array => {
  const width = problem.dimensions.length;
  const total = new Float64Array(width);
  demand.forEach((n, podClass) => {
    for (let d = 0; d < width; d += 1)
      total[d] = (total[d] ?? 0) + n * (problem.sizes[podClass * width + d] ?? 0);
  });
  const scale = total.map((value) => (value > 0 ? value : 1));
  const rows = Int32Array.from({ length: width }, (_, d) => d);
  const columns: Column[] = problem.options.map((option) => ({
    rows,
    values: option.room.map((value, d) => value / (scale[d] ?? 1)),
    cost: option.price,
  }));
  const most = columns.reduce((sum, column) => sum + column.cost, 1) * 1e3;
  const program = new CoveringProgram(
    Float64Array.from(total, (value) => (value > 0 ? 1 : 0)),
    new Float64Array(width).fill(most),
  );
  program.solveOver(columns, 50 * width + 200);
  return program.duals().map((dual, d) => (dual > most / 2 ? 0 : Math.max(0, dual) / (scale[d] ?? 1)));
};

/** What each shape is worth at those prices; never nothing, so that the smallest pod counts. */
export const worthOf = (problem: Problem, prices: Float64Array): Float64Array => {
  const width = problem.dimensions.length;
  return Float64Array.from(problem.podClasses, (_, podClass) => {
    let worth = 1e-9;
    for (let d = 0; d < width; d += 1) worth += (prices[d] ?? 0) * (problem.sizes[podClass * width + d] ?? 0);
    return worth;
  });
};
