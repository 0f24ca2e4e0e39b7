import t from 'tap';
import { BitMatrix, byteAt, floatAt, intAt, itemAt, Matrix } from './matrix.ts';

t.test('an element is read back where it was written, rows apart', async (t) => {
  const matrix = new Matrix(2, 3);
  matrix.set(0, 2, 5);
  matrix.set(1, 0, 7);
  t.same([...matrix.values], [0, 0, 5, 7, 0, 0]);
  t.equal(matrix.at(0, 2), 5);
  t.same([...matrix.row(1)], [7, 0, 0]);
  const bits = new BitMatrix(2, 3);
  bits.set(1, 2, true);
  t.same([bits.has(1, 2), bits.has(0, 2)], [true, false]);
  t.equal(bits.rowText(1), '001');
  const copy = bits.copy();
  bits.set(1, 2, false);
  t.ok(copy.has(1, 2), 'a copy has values of its own');
  bits.copyFrom(copy);
  t.ok(bits.has(1, 2));
});

t.test('an index out of range throws', async (t) => {
  const matrix = new Matrix(2, 3);
  const bits = new BitMatrix(2, 3);
  for (const [row, column] of [
    [2, 0],
    [-1, 0],
    [0, 3],
    [0, -1],
    [Number.NaN, 0],
    [0, Number.NaN],
  ] as const) {
    t.throws(() => matrix.at(row, column), RangeError, `${row} ${column}`);
    t.throws(() => matrix.set(row, column, 1), RangeError, `${row} ${column}`);
    t.throws(() => bits.has(row, column), RangeError, `${row} ${column}`);
    t.throws(() => bits.set(row, column, true), RangeError, `${row} ${column}`);
  }
  t.throws(() => matrix.start(2), RangeError);
  t.throws(() => bits.copyFrom(new BitMatrix(3, 2)), RangeError);
  for (const index of [-1, 2, Number.NaN]) {
    t.throws(() => floatAt(new Float64Array(2), index), RangeError);
    t.throws(() => intAt(new Int32Array(2), index), RangeError);
    t.throws(() => byteAt(new Uint8Array(2), index), RangeError);
    t.throws(() => itemAt(['a', 'b'], index), RangeError);
  }
});
