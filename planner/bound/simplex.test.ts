import fc from 'fast-check';
import t from 'tap';
import { floatAt, itemAt } from '../packing/matrix.ts';
import { type Column, CoveringProgram } from './simplex.ts';

const ARTIFICIAL = 1000;

/** Solves a square system by elimination; undefined where it is singular. */
const solve = (matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined => {
  const rows = matrix.map((row, r) => [...row, itemAt(right, r)]);
  for (let k = 0; k < rows.length; k += 1) {
    const pivot = rows.findIndex((row, r) => r >= k && Math.abs(itemAt(row, k)) > 1e-9);
    if (pivot < 0) return undefined;
    const [moved] = rows.splice(pivot, 1);
    if (moved) rows.splice(k, 0, moved);
    const top = itemAt(rows, k);
    rows.forEach((row, r) => {
      const factor = itemAt(row, k) / itemAt(top, k);
      if (r !== k) for (let c = k; c < row.length; c += 1) row[c] = itemAt(row, c) - factor * itemAt(top, c);
    });
  }
  return rows.map((row, r) => itemAt(row, rows.length) / itemAt(row, r));
};

interface Program {
  readonly demand: readonly number[];
  readonly columns: readonly { readonly values: readonly number[]; readonly cost: number }[];
}

/** The least cost over all bases: of columns, of surplus and of artificial variables. */
const bruteForce = ({ demand, columns }: Program): number => {
  const rows = demand.length;
  const unit = (row: number, value: number): number[] => demand.map((_, r) => (r === row ? value : 0));
  const all = [
    ...columns,
    ...demand.map((_, row) => ({ values: unit(row, -1), cost: 0 })),
    ...demand.map((_, row) => ({ values: unit(row, 1), cost: ARTIFICIAL })),
  ];
  let least = Number.POSITIVE_INFINITY;
  const choose = (from: number, chosen: readonly (typeof all)[number][]): void => {
    if (chosen.length === rows) {
      const matrix = demand.map((_, row) => chosen.map(({ values }) => itemAt(values, row)));
      const amounts = solve(matrix, demand);
      if (!amounts || amounts.some((amount) => amount < -1e-9)) return;
      least = Math.min(
        least,
        amounts.reduce((sum, amount, k) => sum + amount * itemAt(chosen, k).cost, 0),
      );
      return;
    }
    for (let k = from; k < all.length; k += 1) choose(k + 1, [...chosen, itemAt(all, k)]);
  };
  choose(0, []);
  return least;
};

const programs: fc.Arbitrary<Program> = fc.integer({ min: 1, max: 3 }).chain((rows) =>
  fc.record({
    demand: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: rows, maxLength: rows }),
    columns: fc.array(
      fc.record({
        values: fc.array(fc.nat(4), { minLength: rows, maxLength: rows }),
        cost: fc.integer({ min: 1, max: 20 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  }),
);

const solved = ({ demand, columns }: Program): { program: CoveringProgram; list: Column[] } => {
  const rows = Int32Array.from(demand.keys());
  const list = columns.map(({ values, cost }) => ({ rows, values: Float64Array.from(values), cost }));
  const program = new CoveringProgram(
    Float64Array.from(demand),
    new Float64Array(demand.length).fill(ARTIFICIAL),
  );
  program.solveOver(list, 1000);
  return { program, list };
};

t.test('the cost is the least over all bases', async () => {
  fc.assert(
    fc.property(programs, (input) => {
      const cost = solved(input).program.cost();
      const least = bruteForce(input);
      if (Math.abs(cost - least) > 1e-6 * (1 + least)) throw new Error(`${cost}, not ${least}`);
    }),
    { numRuns: process.env.SOAK ? 20_000 : 500, seed: 1 },
  );
});

t.test('duals price the demand at the cost, and no column above its own', async () => {
  fc.assert(
    fc.property(programs, (input) => {
      const { program, list } = solved(input);
      const duals = program.duals();
      const worth = (values: ArrayLike<number>): number =>
        duals.reduce((sum, dual, row) => sum + dual * (values[row] ?? 0), 0);
      if (Math.abs(worth(input.demand) - program.cost()) > 1e-6) throw new Error('the duals miss the cost');
      for (const column of list) {
        if (worth(column.values) > column.cost + 1e-6) throw new Error('a column would still pay');
        if (program.pays({ ...column, cost: column.cost + 1e-3 }))
          throw new Error('it pays at a higher cost');
      }
      if (duals.some((dual) => dual < -1e-6)) throw new Error('a dual is negative');
    }),
    { numRuns: 300, seed: 2 },
  );
});

t.test('what the basis holds covers the demand', async (t) => {
  const demand = [3, 5];
  const { program } = solved({
    demand,
    columns: [
      { values: [1, 2], cost: 4 },
      { values: [2, 1], cost: 4 },
    ],
  });
  const covered = [0, 0];
  program.basis.forEach((column, k) => {
    column?.rows.forEach((row, r) => {
      covered[row] = (covered[row] ?? 0) + floatAt(program.amounts, k) * floatAt(column.values, r);
    });
  });
  t.ok(
    covered.every((n, row) => n >= itemAt(demand, row) - 1e-9),
    covered.join(' '),
  );
});
