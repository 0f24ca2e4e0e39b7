import fc from 'fast-check';
import t from 'tap';
import { mean, median, pairedRatio, quantile, rateOf } from './figures.ts';

const cases: readonly (readonly [string, readonly number[], number, number])[] = [
  ['the middle of an odd count is its middle value', [3, 1, 2], 0.5, 2],
  ['the middle of an even count lies between two', [4, 1, 3, 2], 0.5, 2.5],
  ['a quantile between two values is interpolated', [0, 10], 0.99, 9.9],
  ['the whole is the greatest', [5, 9, 7], 1, 9],
  ['nothing is the least', [5, 9, 7], 0, 5],
  ['one value is every quantile', [7], 0.99, 7],
];
for (const [what, values, q, expected] of cases) {
  t.test(what, async (t) => t.ok(Math.abs(quantile(values, q) - expected) < 1e-9));
}

t.test('no values have no quantile', async (t) => t.ok(Number.isNaN(quantile([], 0.5))));

t.test('a quantile lies within the values and grows with its share', async () => {
  const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 });
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(numbers, share, share, (values, a, b) => {
      const [low, high] = [quantile(values, Math.min(a, b)), quantile(values, Math.max(a, b))];
      return low <= high + 1e-6 && low >= Math.min(...values) - 1e-6 && high <= Math.max(...values) + 1e-6;
    }),
  );
});

t.test('the mean is the sum by the count', async (t) => t.equal(mean([1, 2, 6]), 3));

t.test('a ratio is taken round by round: one bad round of both sides does not count', async (t) => {
  t.equal(pairedRatio([10, 1, 30], [20, 2, 60]), 0.5);
  t.equal(pairedRatio([10, 10, 999], [10, 20, 10]), 1);
  t.throws(() => pairedRatio([1, 2], [1]), /2 rounds do not pair with 1/);
});

t.test('a rate is counted from the first event to the last', async (t) => {
  t.equal(rateOf([1500, 1000, 2000]), 2);
  t.equal(median([rateOf([0, 100, 200, 300])]), 10);
});
