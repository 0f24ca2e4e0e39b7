import fc from 'fast-check';
import t from 'tap';
import { floatAt, intAt } from '../packing/matrix.ts';
import { fillBest, type Items, orderByDensity } from './knapsack.ts';

const WIDTH = 2;
const PRICES = Float64Array.of(0.3, 0.1);

interface Input {
  readonly items: readonly {
    readonly size: readonly number[];
    readonly worth: number;
    readonly limit: number;
  }[];
  readonly room: readonly number[];
}

const inputs: fc.Arbitrary<Input> = fc.record({
  items: fc.array(
    fc.record({
      size: fc.array(fc.nat(6), { minLength: WIDTH, maxLength: WIDTH }),
      worth: fc.integer({ min: -1, max: 9 }),
      limit: fc.nat(3),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  room: fc.array(fc.nat(14), { minLength: WIDTH, maxLength: WIDTH }),
});

const itemsOf = ({ items }: Input): Items => ({
  width: WIDTH,
  sizes: Float64Array.from(items.flatMap(({ size }) => size)),
  worth: Float64Array.from(items, ({ worth }) => worth),
  limits: Int32Array.from(items, ({ limit }) => limit),
});

/** The most worth over every number of every item. */
const bruteForce = ({ items, room }: Input): number => {
  let most = 0;
  const visit = (index: number, free: readonly number[], value: number): void => {
    most = Math.max(most, value);
    const item = items[index];
    if (!item) return;
    for (let n = 0; n <= item.limit; n += 1) {
      const left = free.map((amount, d) => amount - n * (item.size[d] ?? 0));
      if (left.every((amount) => amount >= 0)) visit(index + 1, left, value + n * item.worth);
    }
  };
  visit(0, room, 0);
  return most;
};

const fill = (input: Input, maxSteps: number) => {
  const items = itemsOf(input);
  return fillBest(items, orderByDensity(items, PRICES), Float64Array.from(input.room), PRICES, maxSteps);
};

t.test('a complete search finds the filling that is worth most', async () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const { counts, value, upperBound } = fill(input, 1e6);
      const most = bruteForce(input);
      if (Math.abs(value - most) > 1e-9) throw new Error(`${value}, not ${most}`);
      if (upperBound !== value) throw new Error('a complete search has nothing left to hope for');
      const worth = input.items.reduce((sum, item, k) => sum + item.worth * intAt(counts, k), 0);
      if (Math.abs(worth - value) > 1e-9) throw new Error('the counts are not worth the value');
      input.items.forEach(({ limit }, k) => {
        if (intAt(counts, k) > limit) throw new Error('more of an item than its limit');
      });
      input.room.forEach((room, d) => {
        const used = input.items.reduce((sum, { size }, k) => sum + intAt(counts, k) * (size[d] ?? 0), 0);
        if (used > room) throw new Error('more than there is room for');
      });
    }),
    { numRuns: process.env.SOAK ? 50_000 : 2000, seed: 1 },
  );
});

t.test('a search that is cut short still bounds what any filling is worth', async () => {
  fc.assert(
    fc.property(inputs, fc.nat(4), (input, maxSteps) => {
      const { value, upperBound } = fill(input, maxSteps);
      const most = bruteForce(input);
      if (value > most + 1e-9) throw new Error(`${value} is above ${most}`);
      if (upperBound < most - 1e-6) throw new Error(`the bound ${upperBound} is below ${most}`);
    }),
    { numRuns: 2000, seed: 2 },
  );
});

t.test('items come by worth per size, equal ones by number', async (t) => {
  const items = itemsOf({
    items: [
      { size: [2, 2], worth: 1, limit: 1 },
      { size: [1, 1], worth: 1, limit: 1 },
      { size: [4, 4], worth: 2, limit: 1 },
    ],
    room: [],
  });
  t.same([...orderByDensity(items, PRICES)], [1, 0, 2]);
  t.equal(floatAt(items.sizes, 5), 4);
});
