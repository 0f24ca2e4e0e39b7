import t from 'tap';
import { catalogueFromKwok } from './model/catalogue.ts';
import { snapshotFromList } from './model/snapshot.ts';
import { provision } from './provision.ts';
import { rebalance } from './rebalance.ts';
import { changed, pathsOf } from './testing/paths.ts';
import { richList } from './testing/richlist.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const catalogue = catalogueFromKwok(
  [
    ['m5.large', '2', '8Gi', 0.096],
    ['m5.xlarge', '4', '16Gi', 0.192],
  ].map(([name, cpu, memory, Price]) => ({
    name,
    architecture: 'amd64',
    operatingSystems: ['linux'],
    resources: { cpu, memory, pods: '58' },
    offerings: [
      {
        Price,
        Requirements: [
          { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
          { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a', 'us-west-2b'] },
        ],
      },
    ],
  })),
);

/** The sentence that refuses a list; empty when plans were made. Throws every other error. */
const ask = (list: unknown): string => {
  try {
    const snapshot = snapshotFromList(list);
    const request = { snapshot, catalogue, now: NOW, seed: 1, planName: 'p', rounds: 2 };
    rebalance(request);
    provision(request);
    return '';
  } catch (error) {
    if (error instanceof Error && error.name === 'SnapshotError') return error.message;
    throw error;
  }
};

const list = richList();
const paths = pathsOf(list);

t.test('the list itself is planned for', async (t) => {
  t.equal(ask(list), '');
  t.ok(paths.length > 500, `${paths.length} paths`);
});

for (const [how, by] of [
  ['deleted', undefined],
  ['null', null],
] as const) {
  t.test(`any field ${how}: a plan, or one sentence`, async (t) => {
    const faults = paths.flatMap((path) => {
      try {
        const refused = ask(changed(list, path, by));
        return refused === '' || /^[A-Z][^\n]{5,200}\.$/.test(refused)
          ? []
          : [`${path.join('.')}: ${refused}`];
      } catch (error) {
        return [`${path.join('.')}: ${String(error)} ${(error as Error).stack?.split('\n')[1] ?? ''}`];
      }
    });
    t.same(faults, []);
  });
}

for (const wrong of [7, 'text', true, {}, [], [null]]) {
  t.test(`any field that is ${JSON.stringify(wrong)}: no TypeError`, async (t) => {
    const faults = paths.flatMap((path) => {
      try {
        ask(changed(list, path, wrong));
        return [];
      } catch (error) {
        return error instanceof Error && error.name !== 'TypeError' && error.name !== 'Error'
          ? []
          : [`${path.join('.')}: ${String(error)} ${(error as Error).stack?.split('\n')[1] ?? ''}`];
      }
    });
    t.same(faults, []);
  });
}
