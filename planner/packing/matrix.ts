/** Throws the RangeError of an index that must exist. Hot loops over objects use it as `list[i] ?? outOfRange(i, …)`. */
export const outOfRange = (index: number, length: number): never => {
  throw new RangeError(`index ${index} is out of range: there are ${length} values`);
};

// One reader per array type, each short enough (27 bytes of bytecode) that V8 always inlines it.

/** The value at an index. Throws a RangeError where there is none, as the readers below do. */
export const floatAt = (values: Float64Array, index: number): number =>
  values[index] ?? outOfRange(index, values.length);

export const intAt = (values: Int32Array, index: number): number =>
  values[index] ?? outOfRange(index, values.length);

export const byteAt = (values: Uint8Array, index: number): number =>
  values[index] ?? outOfRange(index, values.length);

/** For lists of anything, outside hot loops: it sees too many kinds of lists to be fast. */
export const itemAt = <T extends NonNullable<unknown>>(values: readonly T[], index: number): T =>
  values[index] ?? outOfRange(index, values.length);

/**
 * The readers for hot loops: `const { floatAt } = readers` in a module. V8 inlines the call of a module's own constant
 * for nothing, but loads and checks an imported binding at every call (8 to 26 % of a plan's time).
 */
export const readers = { floatAt, intAt, byteAt } as const;

const checkColumn = (column: number, columns: number): void => {
  if (!(column >= 0 && column < columns)) outOfRange(column, columns);
};

/** Numbers in rows of equal length. A row or column that does not exist throws a RangeError. */
export class Matrix {
  readonly columns: number;
  /** Row after row. Hot loops read it from `start(row)` on. */
  readonly values: Float64Array;

  constructor(rows: number, columns: number) {
    this.columns = columns;
    this.values = new Float64Array(rows * columns);
  }

  at(row: number, column: number): number {
    checkColumn(column, this.columns);
    return floatAt(this.values, row * this.columns + column);
  }

  set(row: number, column: number, value: number): void {
    checkColumn(column, this.columns);
    this.values[this.start(row) + column] = value;
  }

  /** The place of a row's first value. */
  start(row: number): number {
    const start = row * this.columns;
    if (!(start >= 0 && start < this.values.length)) outOfRange(row, this.values.length / this.columns);
    return start;
  }

  /** The values of a row; a change of them changes the matrix. */
  row(row: number): Float64Array {
    const start = this.start(row);
    return this.values.subarray(start, start + this.columns);
  }
}

/** Yes or no in rows of equal length. A row or column that does not exist throws a RangeError. */
export class BitMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly #values: Uint8Array;

  constructor(rows: number, columns: number) {
    this.rows = rows;
    this.columns = columns;
    this.#values = new Uint8Array(rows * columns);
  }

  has(row: number, column: number): boolean {
    checkColumn(column, this.columns);
    return byteAt(this.#values, row * this.columns + column) === 1;
  }

  set(row: number, column: number, value: boolean): void {
    checkColumn(row, this.rows);
    checkColumn(column, this.columns);
    this.#values[row * this.columns + column] = value ? 1 : 0;
  }

  /** The values of a row as text: equal rows have equal texts. */
  rowText(row: number): string {
    return this.#values.subarray(row * this.columns, (row + 1) * this.columns).join('');
  }

  copy(): BitMatrix {
    const copy = new BitMatrix(this.rows, this.columns);
    copy.#values.set(this.#values);
    return copy;
  }

  /** Takes over the values of a matrix of the same size. */
  copyFrom(other: BitMatrix): void {
    if (other.rows !== this.rows || other.columns !== this.columns) outOfRange(other.rows, this.rows);
    this.#values.set(other.#values);
  }
}
