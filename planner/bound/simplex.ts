/** A column of a covering program: what it covers, row by row, and what one of it costs. */
export interface Column {
  readonly rows: Int32Array;
  readonly values: Float64Array;
  readonly cost: number;
}

const EPSILON = 1e-9;
const SMALLEST_PIVOT = 1e-7;

/**
 * The linear program min cost·x, A·x ≥ demand, x ≥ 0, whose columns come one at a time. Revised simplex with a dense
 * inverse of the basis: exact enough for some hundreds of rows. It begins with one column a row at `startCost`, which
 * real columns push out.
 */
export class CoveringProgram {
  readonly rows: number;
  readonly basis: (Column | null)[];
  readonly amounts: Float64Array;
  readonly #inverse: Float64Array;
  readonly #costs: Float64Array;
  readonly #dual: Float64Array;
  readonly #direction: Float64Array;

  constructor(demand: Float64Array, startCost: Float64Array) {
    this.rows = demand.length;
    this.amounts = Float64Array.from(demand);
    this.basis = Array.from(demand, () => null);
    this.#costs = Float64Array.from(startCost);
    this.#inverse = new Float64Array(this.rows * this.rows);
    for (let row = 0; row < this.rows; row += 1) this.#inverse[row * this.rows + row] = 1;
    this.#dual = new Float64Array(this.rows);
    this.#direction = new Float64Array(this.rows);
  }

  /** What one more unit of each row's demand would cost now. */
  duals(): Float64Array {
    const { rows } = this;
    const inverse = this.#inverse;
    const costs = this.#costs;
    const dual = this.#dual;
    dual.fill(0);
    for (let i = 0; i < rows; i += 1) {
      const cost = costs[i] as number;
      if (cost === 0) continue;
      const at = i * rows;
      for (let j = 0; j < rows; j += 1) dual[j] = (dual[j] as number) + cost * (inverse[at + j] as number);
    }
    return dual;
  }

  /** Cost of what is in the basis now. */
  cost(): number {
    let cost = 0;
    for (let i = 0; i < this.rows; i += 1) cost += (this.#costs[i] as number) * (this.amounts[i] as number);
    return cost;
  }

  /** Brings a column into the basis; false when it can't be, for numbers too small. */
  enter(column: Column | null, rowsOf: Int32Array, values: Float64Array, cost: number): boolean {
    const { rows, amounts } = this;
    const inverse = this.#inverse;
    const direction = this.#direction;
    for (let i = 0; i < rows; i += 1) {
      let sum = 0;
      const at = i * rows;
      for (let k = 0; k < rowsOf.length; k += 1) {
        sum += (inverse[at + (rowsOf[k] as number)] as number) * (values[k] as number);
      }
      direction[i] = sum;
    }
    let leave = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < rows; i += 1) {
      const step = direction[i] as number;
      if (step <= SMALLEST_PIVOT) continue;
      const ratio = (amounts[i] as number) / step;
      if (ratio < least - EPSILON || (ratio < least + EPSILON && step > (direction[leave] ?? 0))) {
        least = Math.min(least, ratio);
        leave = i;
      }
    }
    if (leave < 0) return false;
    const pivot = direction[leave] as number;
    const step = Math.max(0, (amounts[leave] as number) / pivot);
    const from = leave * rows;
    for (let j = 0; j < rows; j += 1) inverse[from + j] = (inverse[from + j] as number) / pivot;
    for (let i = 0; i < rows; i += 1) {
      if (i === leave) continue;
      const factor = direction[i] as number;
      if (factor === 0) continue;
      amounts[i] = Math.max(0, (amounts[i] as number) - factor * step);
      const at = i * rows;
      for (let j = 0; j < rows; j += 1) {
        inverse[at + j] = (inverse[at + j] as number) - factor * (inverse[from + j] as number);
      }
    }
    amounts[leave] = step;
    this.basis[leave] = column;
    this.#costs[leave] = cost;
    return true;
  }

  /** Lets demand be covered beyond need wherever a dual is negative; false when nothing was to do. */
  relax(): boolean {
    const dual = this.duals();
    let row = -1;
    let least = -EPSILON;
    for (let j = 0; j < this.rows; j += 1) {
      if ((dual[j] as number) < least) {
        least = dual[j] as number;
        row = j;
      }
    }
    return row >= 0 && this.enter(null, Int32Array.of(row), Float64Array.of(-1), 0);
  }

  /** Whether a column would make the whole cheaper now. */
  pays(column: Column): boolean {
    const dual = this.duals();
    let worth = -column.cost * (1 + 1e-7);
    for (let k = 0; k < column.rows.length; k += 1) {
      worth += (dual[column.rows[k] as number] as number) * (column.values[k] as number);
    }
    return worth > 0;
  }

  /** Brings in the columns that still pay, until none of the given ones does or the steps run out. */
  solveOver(columns: readonly Column[], maxSteps: number): void {
    for (let step = 0; step < maxSteps; step += 1) {
      if (this.relax()) continue;
      const dual = this.duals();
      let best: Column | undefined;
      let most = EPSILON;
      for (const column of columns) {
        let worth = -column.cost;
        for (let k = 0; k < column.rows.length; k += 1) {
          worth += (dual[column.rows[k] as number] as number) * (column.values[k] as number);
        }
        if (worth > most) {
          most = worth;
          best = column;
        }
      }
      if (!best || !this.enter(best, best.rows, best.values, best.cost)) return;
    }
  }
}
