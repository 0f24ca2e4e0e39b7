import t from 'tap';
import {
  averageOf,
  histogramOf,
  histogramQuantile,
  NOTHING,
  plus,
  samplesOf,
  shareWithin,
  since,
  totalOf,
} from './prometheus.ts';

const page = (counts: readonly number[], sum: number, name = 'a'): string =>
  [
    '# HELP seconds how long it took',
    '# TYPE seconds histogram',
    ...['0.005', '0.025', '0.1', '+Inf'].map(
      (le, i) => `seconds_bucket{name="${name}",operation="CREATE",le="${le}"} ${counts[i]}`,
    ),
    `seconds_sum{name="${name}",operation="CREATE"} ${sum}`,
    `seconds_count{name="${name}",operation="CREATE"} ${counts.at(-1)}`,
    'seconds_more{name="a"} 99',
  ].join('\n');

t.test('samples are found by name and labels, and by nothing like them', async (t) => {
  const text = page([1, 2, 3, 4], 5);
  t.same(
    samplesOf(text, 'seconds_sum').map(({ value }) => value),
    [5],
  );
  t.same(samplesOf(text, 'seconds_sum', { name: 'b' }), []);
  t.same(samplesOf(text, 'seconds'), []);
  t.equal(totalOf(`${text}\n${page([1, 1, 1, 1], 7, 'b')}`, 'seconds_sum'), 12);
  t.equal(totalOf('total{of="a \\"b\\", c"} 3e2', 'total', { of: 'a \\"b\\", c' }), 300);
  t.equal(totalOf('bare 4', 'bare'), 4);
});

const between = (before: readonly number[], after: readonly number[]) =>
  since(histogramOf(page(after, 30), 'seconds'), histogramOf(page(before, 10), 'seconds'));

t.test('what happened between two looks is what counts', async (t) => {
  const round = between([100, 100, 100, 100], [190, 199, 200, 200]);
  t.same(round.counts, [90, 99, 100, 100]);
  t.equal(averageOf(round), 0.2);
  t.equal(shareWithin(round, 0.005), 0.9);
});

const quantiles: readonly (readonly [string, readonly number[], number, number])[] = [
  ['half of a full first bucket is half its bound', [100, 100, 100, 100], 0.5, 0.0025],
  ['p99 of a full first bucket is nearly its bound', [100, 100, 100, 100], 0.99, 0.00495],
  ['a bucket is gone through in a straight line', [90, 100, 100, 100], 0.95, 0.015],
  ['an empty bucket is passed over', [50, 50, 100, 100], 0.75, 0.0625],
  ['beyond the last bound only that bound is known', [0, 0, 0, 100], 0.5, 0.1],
];
for (const [what, counts, q, expected] of quantiles) {
  t.test(what, async (t) => {
    const histogram = between([0, 0, 0, 0], counts);
    t.ok(Math.abs(histogramQuantile(histogram, q) - expected) < 1e-9);
  });
}

t.test('nothing observed has no quantile, and adds nothing', async (t) => {
  t.ok(Number.isNaN(histogramQuantile(NOTHING, 0.5)));
  const one = between([0, 0, 0, 0], [1, 2, 3, 4]);
  t.same(plus(NOTHING, one), one);
  t.same(plus(one, one).counts, [2, 4, 6, 8]);
});
