import t from 'tap';
import { supplyOf } from '../../model/supply.ts';
import { makePool } from '../../testing/builders.ts';
import { smallCatalogue } from '../../testing/randomcluster.ts';
import { launchOptionsOf } from './launchoption.ts';

const nothing = new Map<string, ReadonlySet<string>>();

t.test('launch options come in order of price, those of one type and price together', async (t) => {
  const launchOptions = launchOptionsOf([makePool('a'), makePool('b')], supplyOf(smallCatalogue), nothing);
  t.ok(launchOptions.length > 10);
  const runs = launchOptions.map(
    (launchOption) => `${launchOption.price} ${launchOption.type.name} ${launchOption.pool.metadata.name}`,
  );
  const starts = runs.filter((run, index) => run !== runs[index - 1]);
  t.equal(new Set(starts).size, starts.length);
  t.same(
    launchOptions.map((launchOption) => launchOption.price),
    launchOptions.map((launchOption) => launchOption.price).sort((a, b) => a - b),
  );
});

t.test('a label read alone is the same as in the map of all labels', async (t) => {
  for (const launchOption of launchOptionsOf([makePool()], supplyOf(smallCatalogue), nothing)) {
    for (const [key, value] of Object.entries(launchOption.labels)) t.equal(launchOption.label(key), value);
    t.equal(launchOption.label('no/such-label'), undefined);
  }
});

t.test(
  'the cache of a NodePool is not used for another one, for other label values or for another catalogue',
  async (t) => {
    const open = makePool('open', {
      requirements: [
        { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
        { key: 'team', operator: 'Exists' },
      ],
    });
    const teams = (selectedValues: ReadonlyMap<string, ReadonlySet<string>>): string[] => [
      ...new Set(
        launchOptionsOf([open], supplyOf(smallCatalogue), selectedValues).map(
          (launchOption) => launchOption.labels.team ?? '',
        ),
      ),
    ];
    t.same(teams(nothing), ['any'], 'Karpenter makes a value up');
    t.same(teams(new Map([['team', new Set(['red'])]])), ['red']);
    t.same(teams(new Map([['team', new Set(['red', 'blue'])]])), ['blue', 'red']);
    const all = launchOptionsOf([open], supplyOf(smallCatalogue), nothing);
    t.same(launchOptionsOf([open], supplyOf(smallCatalogue), nothing), all);
    const [first] = smallCatalogue.instanceTypes;
    const narrow = makePool('open', {
      requirements: [
        { key: 'node.kubernetes.io/instance-type', operator: 'In', values: [first?.name ?? ''] },
      ],
    });
    t.same(
      [
        ...new Set(
          launchOptionsOf([narrow], supplyOf(smallCatalogue), nothing).map(
            (launchOption) => launchOption.type.name,
          ),
        ),
      ],
      [first?.name],
    );
    const smaller = { instanceTypes: smallCatalogue.instanceTypes.slice(1) };
    t.notOk(
      launchOptionsOf([open], supplyOf(smaller), nothing).some((launchOption) => launchOption.type === first),
    );
  },
);
