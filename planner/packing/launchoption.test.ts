import t from 'tap';
import { makePool } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { offersOf } from './launchoption.ts';

const nothing = new Map<string, ReadonlySet<string>>();

t.test('offers come in order of price, those of one type and price together', async (t) => {
  const offers = offersOf([makePool('a'), makePool('b')], smallCatalogue, nothing);
  t.ok(offers.length > 10);
  const runs = offers.map((offer) => `${offer.price} ${offer.type.name} ${offer.pool.metadata.name}`);
  const starts = runs.filter((run, index) => run !== runs[index - 1]);
  t.equal(new Set(starts).size, starts.length);
  t.same(
    offers.map((offer) => offer.price),
    offers.map((offer) => offer.price).sort((a, b) => a - b),
  );
});

t.test('a label asked for by itself is the one among all labels', async (t) => {
  for (const offer of offersOf([makePool()], smallCatalogue, nothing)) {
    for (const [key, value] of Object.entries(offer.labels)) t.equal(offer.label(key), value);
    t.equal(offer.label('no/such-label'), undefined);
  }
});

t.test(
  'what is kept of a NodePool is not used for another, nor for other pods, nor another catalogue',
  async (t) => {
    const open = makePool('open', {
      requirements: [
        { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
        { key: 'team', operator: 'Exists' },
      ],
    });
    const teams = (asked: ReadonlyMap<string, ReadonlySet<string>>): string[] => [
      ...new Set(offersOf([open], smallCatalogue, asked).map((offer) => offer.labels.team ?? '')),
    ];
    t.same(teams(nothing), ['']);
    t.same(teams(new Map([['team', new Set(['red'])]])), ['red']);
    t.same(teams(new Map([['team', new Set(['red', 'blue'])]])), ['blue', 'red']);
    const all = offersOf([open], smallCatalogue, nothing);
    t.same(offersOf([open], smallCatalogue, nothing), all);
    const [first] = smallCatalogue.instanceTypes;
    const narrow = makePool('open', {
      requirements: [
        { key: 'node.kubernetes.io/instance-type', operator: 'In', values: [first?.name ?? ''] },
      ],
    });
    t.same(
      [...new Set(offersOf([narrow], smallCatalogue, nothing).map((offer) => offer.type.name))],
      [first?.name],
    );
    const smaller = { instanceTypes: smallCatalogue.instanceTypes.slice(1) };
    t.notOk(offersOf([open], smaller, nothing).some((offer) => offer.type === first));
  },
);
