import { readers } from '../packing/matrix.ts';

const { floatAt, intAt } = readers;

/** A column of a covering program: how much one unit of it covers of some rows, and what it costs. */
export interface Column {
  readonly rows: Int32Array;
  readonly values: Float64Array;
  readonly cost: number;
}

const EPSILON = 1e-9;
const SMALLEST_PIVOT = 1e-7;

/**
 * The linear program min cost·x, A·x ≥ demand, x ≥ 0, whose columns come one at a time: revised simplex with a dense
 * inverse of the basis, exact enough for some hundreds of rows. It starts with one artificial column a row at
 * `startCost`, which real columns push out.
 */
export class CoveringProgram {
  readonly rows: number;
  /** The column of each basic variable; undefined for an artificial or a surplus one. */
  readonly basis: (Column | undefined)[];
  /** The value of each basic variable. */
  readonly amounts: Float64Array;
  readonly #inverse: Float64Array;
  readonly #costs: Float64Array;
  readonly #dual: Float64Array;
  readonly #direction: Float64Array;

  constructor(demand: Float64Array, startCost: Float64Array) {
    this.rows = demand.length;
    this.amounts = Float64Array.from(demand);
    this.basis = Array.from(demand, () => undefined);
    this.#costs = Float64Array.from(startCost);
    this.#inverse = new Float64Array(this.rows * this.rows);
    for (let row = 0; row < this.rows; row += 1) this.#inverse[row * this.rows + row] = 1;
    this.#dual = new Float64Array(this.rows);
    this.#direction = new Float64Array(this.rows);
  }

  /** What one more unit of each row's demand costs now. The array is reused by the next call. */
  duals(): Float64Array {
    const { rows } = this;
    const inverse = this.#inverse;
    const costs = this.#costs;
    const dual = this.#dual;
    dual.fill(0);
    for (let i = 0; i < rows; i += 1) {
      const cost = floatAt(costs, i);
      if (cost === 0) continue;
      const at = i * rows;
      for (let j = 0; j < rows; j += 1) dual[j] = floatAt(dual, j) + cost * floatAt(inverse, at + j);
    }
    return dual;
  }

  /** The cost of the present solution. */
  cost(): number {
    let cost = 0;
    for (let i = 0; i < this.rows; i += 1) cost += floatAt(this.#costs, i) * floatAt(this.amounts, i);
    return cost;
  }

  /** Brings a column into the basis. Returns false when every pivot is too small. */
  enter(column: Column | undefined, rowsOf: Int32Array, values: Float64Array, cost: number): boolean {
    const { rows, amounts } = this;
    const inverse = this.#inverse;
    const direction = this.#direction;
    for (let i = 0; i < rows; i += 1) {
      let sum = 0;
      const at = i * rows;
      for (let k = 0; k < rowsOf.length; k += 1) {
        sum += floatAt(inverse, at + intAt(rowsOf, k)) * floatAt(values, k);
      }
      direction[i] = sum;
    }
    let leave = -1;
    let pivot = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < rows; i += 1) {
      const step = floatAt(direction, i);
      if (step <= SMALLEST_PIVOT) continue;
      const ratio = floatAt(amounts, i) / step;
      if (ratio < least - EPSILON || (ratio < least + EPSILON && step > pivot)) {
        least = Math.min(least, ratio);
        leave = i;
        pivot = step;
      }
    }
    if (leave < 0) return false;
    const step = Math.max(0, floatAt(amounts, leave) / pivot);
    const from = leave * rows;
    for (let j = 0; j < rows; j += 1) inverse[from + j] = floatAt(inverse, from + j) / pivot;
    for (let i = 0; i < rows; i += 1) {
      if (i === leave) continue;
      const factor = floatAt(direction, i);
      if (factor === 0) continue;
      amounts[i] = Math.max(0, floatAt(amounts, i) - factor * step);
      const at = i * rows;
      for (let j = 0; j < rows; j += 1) {
        inverse[at + j] = floatAt(inverse, at + j) - factor * floatAt(inverse, from + j);
      }
    }
    amounts[leave] = step;
    this.basis[leave] = column;
    this.#costs[leave] = cost;
    return true;
  }

  /** Lets the row with the most negative dual be covered beyond its demand. Returns false when there is none. */
  relax(): boolean {
    const dual = this.duals();
    let row = -1;
    let least = -EPSILON;
    for (let j = 0; j < this.rows; j += 1) {
      if (floatAt(dual, j) < least) {
        least = floatAt(dual, j);
        row = j;
      }
    }
    return row >= 0 && this.enter(undefined, Int32Array.of(row), Float64Array.of(-1), 0);
  }

  /** Whether a column would make the solution cheaper now. */
  pays(column: Column): boolean {
    const dual = this.duals();
    let worth = -column.cost * (1 + 1e-7);
    const { rows, values } = column;
    for (let k = 0; k < rows.length; k += 1) worth += floatAt(dual, intAt(rows, k)) * floatAt(values, k);
    return worth > 0;
  }

  /** Brings in the column that saves most, until none saves anything or the steps run out. */
  solveOver(columns: readonly Column[], maxSteps: number): void {
    for (let step = 0; step < maxSteps; step += 1) {
      if (this.relax()) continue;
      const dual = this.duals();
      let best: Column | undefined;
      let most = EPSILON;
      for (const column of columns) {
        let worth = -column.cost;
        const { rows, values } = column;
        for (let k = 0; k < rows.length; k += 1) worth += floatAt(dual, intAt(rows, k)) * floatAt(values, k);
        if (worth > most) {
          most = worth;
          best = column;
        }
      }
      if (!best || !this.enter(best, best.rows, best.values, best.cost)) return;
    }
  }
}
