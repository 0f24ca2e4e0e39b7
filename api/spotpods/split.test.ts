import fc from 'fast-check';
import t from 'tap';
import { SPOT_PLACE } from '../labels.ts';
import {
  formatPlace,
  ordinalOf,
  placeOf,
  placeOfOrdinal,
  type SpotPlace,
  sideOfOrdinal,
  spotShareOf,
} from './split.ts';
import { Tally } from './tally.ts';

const SEED = { seed: 65 };
const percentages = fc.integer({ min: 0, max: 100 });
const NONE = { unplacedOnSpot: 0, unplacedElsewhere: 0 };

/** Adds pods one by one, as a controller makes them. */
const grow = (places: readonly SpotPlace[], count: number, percentage: number): readonly SpotPlace[] => {
  const tally = new Tally({ places, ...NONE });
  return [...places, ...Array.from({ length: count }, () => tally.take(tally.nextSide(percentage)))];
};
const onSpot = (places: readonly SpotPlace[]): number => places.filter(({ side }) => side === 'spot').length;

const shares: readonly (readonly [number, number, number])[] = [
  [100, 60, 60],
  [5, 60, 3],
  [1, 60, 0],
  [1, 100, 1],
  [3, 50, 1],
  [7, 0, 0],
  [199, 1, 1],
];
for (const [pods, percentage, share] of shares) {
  t.test(`of ${pods} pods at ${percentage} %, ${share} are on spot, however they come`, async (t) => {
    t.equal(spotShareOf(pods, percentage), share);
    t.equal(onSpot(grow([], pods, percentage)), share);
    const byNumber = Array.from({ length: pods }, (_, i) => sideOfOrdinal(i, percentage));
    t.equal(byNumber.filter((side) => side === 'spot').length, share, 'nor when they have numbers');
  });
}

t.test(
  'after every pod the split is exact, and so it is after the last of the order have gone',
  async (t) => {
    fc.assert(
      fc.property(percentages, fc.integer({ min: 1, max: 60 }), fc.nat(59), (percentage, count, kept) => {
        const places = grow([], count, percentage);
        const inOrder = [...places].sort((a, b) => ordinalOf(a, percentage) - ordinalOf(b, percentage));
        const left = inOrder.slice(0, Math.min(kept, count));
        return (
          onSpot(places) === spotShareOf(count, percentage) &&
          onSpot(left) === spotShareOf(left.length, percentage) &&
          onSpot(grow(left, 7, percentage)) === spotShareOf(left.length + 7, percentage)
        );
      }),
      SEED,
    );
    t.pass();
  },
);

t.test('pods that go in any order are replaced so that the split is exact again', async (t) => {
  fc.assert(
    fc.property(percentages, fc.array(fc.boolean(), { minLength: 1, maxLength: 50 }), (percentage, stays) => {
      const places = grow([], stays.length, percentage);
      const left = places.filter((_, at) => stays[at]);
      const again = grow(left, stays.length - left.length, percentage);
      return (
        onSpot(again) === onSpot(places) &&
        new Set(again.map(formatPlace)).size === new Set(places.map(formatPlace)).size
      );
    }),
    SEED,
  );
  t.pass();
});

t.test('a number of its own says a place that no other number has, in the ideal order', async (t) => {
  fc.assert(
    fc.property(percentages, (percentage) => {
      const places = Array.from({ length: 120 }, (_, i) => placeOfOrdinal(i, percentage));
      return (
        new Set(places.map(formatPlace)).size === 120 &&
        places.every((place, ordinal) => ordinalOf(place, percentage) === ordinal)
      );
    }),
    SEED,
  );
  t.pass();
});

t.test('pods without a place count where they are', async (t) => {
  const places: SpotPlace[] = [{ side: 'spot', index: 0 }];
  t.equal(new Tally({ places, unplacedOnSpot: 2, unplacedElsewhere: 1 }).nextSide(60), 'on-demand', '3 of 5');
  t.equal(new Tally({ places, unplacedOnSpot: 0, unplacedElsewhere: 3 }).nextSide(60), 'spot', '2 of 5');
});

const annotations: readonly (readonly [string, SpotPlace | undefined])[] = [
  ['spot-0', { side: 'spot', index: 0 }],
  ['on-demand-12', { side: 'on-demand', index: 12 }],
  ['on-demand', undefined],
  ['spot-', undefined],
  ['spot-01', undefined],
  ['spot--1', undefined],
  ['spot-1e3', undefined],
  [`spot-${'9'.repeat(400)}`, undefined],
  ['toString-1', undefined],
];
for (const [text, place] of annotations) {
  t.test(`the annotation ${text.slice(0, 20)} ${place ? 'is a place' : 'is none'}`, async (t) => {
    t.same(placeOf({ metadata: { name: 'p', annotations: { [SPOT_PLACE]: text } } }), place);
  });
}
