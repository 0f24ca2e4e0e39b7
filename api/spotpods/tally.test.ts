import fc from 'fast-check';
import t from 'tap';
import { occupiedOf } from './occupied.ts';
import { formatPlace, type Occupied, type Side, type SpotPlace, spotShareOf } from './split.ts';
import { Tally } from './tally.ts';

/** The side of the next pod, counted anew. */
const nextSide = ({ places, unplacedOnSpot, unplacedElsewhere }: Occupied, percentage: number): Side => {
  const onSpot = unplacedOnSpot + places.filter(({ side }) => side === 'spot').length;
  const pods = places.length + unplacedOnSpot + unplacedElsewhere + 1;
  return onSpot < spotShareOf(pods, percentage) ? 'spot' : 'on-demand';
};

/** The lowest free place of a side, looked for anew. */
const firstFree = (places: readonly SpotPlace[], side: Side): SpotPlace => {
  const taken = new Set(places.map(formatPlace));
  let index = 0;
  while (taken.has(formatPlace({ side, index }))) index++;
  return { side, index };
};

const anySide = fc.constantFrom('spot' as const, 'on-demand' as const);
const anyPlace: fc.Arbitrary<SpotPlace> = fc.record({ side: anySide, index: fc.nat(30) });
const anyPod = fc.record({
  place: fc.option(anyPlace, { nil: undefined }),
  node: fc.constantFrom(
    undefined,
    { metadata: { name: 'n', labels: {} } },
    {
      metadata: { name: 's', labels: { 'karpenter.sh/capacity-type': 'spot' } },
    },
  ),
});

t.test('pods that come together get the places that they would get one after the other', async (t) => {
  fc.assert(
    fc.property(
      fc.array(anyPod, { maxLength: 40 }),
      fc.uniqueArray(anyPlace, { maxLength: 10, selector: ({ side, index }) => `${side}-${index}` }),
      fc.array(fc.record({ percentage: fc.integer({ min: 0, max: 100 }), isHeld: fc.boolean() }), {
        maxLength: 40,
      }),
      (pods, before, requests) => {
        const granted = [...before];
        const tally = new Tally(occupiedOf(pods, granted));
        for (const { percentage, isHeld } of requests) {
          const occupied = occupiedOf(pods, granted);
          const side = nextSide(occupied, percentage);
          t.equal(tally.nextSide(percentage), side);
          // A plan may have room on demand alone.
          const place = firstFree(occupied.places, isHeld ? 'on-demand' : side);
          granted.push(place);
          t.same(tally.take(place.side), place);
        }
      },
    ),
    { seed: 69, numRuns: 100 },
  );
});

t.test('1,000 pods that come together beside 1,000 others are placed at once', async (t) => {
  const pods = Array.from({ length: 1_000 }, (_, index) => ({
    place: { side: index % 10 < 6 ? ('spot' as const) : ('on-demand' as const), index },
    node: undefined,
  }));
  const tally = new Tally(occupiedOf(pods));
  const places = Array.from({ length: 1_000 }, () => tally.take(tally.nextSide(60)));
  t.equal(new Set(places.map(({ side, index }) => `${side}-${index}`)).size, 1_000);
  t.equal(places.filter(({ side }) => side === 'spot').length, 600);
});
