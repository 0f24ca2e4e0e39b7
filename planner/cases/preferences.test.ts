import t from 'tap';
import type { PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { claimsOf, everyValue, groupsOf, priceList, provisioned } from '../testing/cases.ts';

const ZONE = 'topology.kubernetes.io/zone';
const TYPE = 'node.kubernetes.io/instance-type';
const POOLS = { nodePools: [makePool('default', { requirements: [] })] };
const LIST = priceList({ name: 'm.2', price: 0.1 }, { name: 'm.4', cpu: 4, memory: '16Gi', price: 0.21 });

const spread = (app: string) => [
  {
    maxSkew: 1,
    topologyKey: ZONE,
    whenUnsatisfiable: 'DoNotSchedule' as const,
    labelSelector: { matchLabels: { app } },
  },
];
const avoids = (app: string, key = ZONE): NonNullable<PodSpec['affinity']> => ({
  podAntiAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { weight: 50, podAffinityTerm: { labelSelector: { matchLabels: { app } }, topologyKey: key } },
    ],
  },
});
const prefersZones = (...values: string[]): NonNullable<PodSpec['affinity']> => ({
  nodeAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { weight: 1, preference: { matchExpressions: [{ key: ZONE, operator: 'In', values }] } },
    ],
  },
});

t.test('60: preferred zones do not narrow the domains of a required spread', async (t) => {
  const full = makeNode('n', { type: 'x', zone: 'us-west-2c', cpu: 0 });
  const pods = Array.from({ length: 4 }, (_, n) =>
    makePod(`p${n}`, {
      spec: { topologySpreadConstraints: spread('web'), affinity: prefersZones('us-west-2a', 'us-west-2b') },
    }),
  );
  const planned = provisioned(makeSnapshot([full], pods, POOLS), LIST);
  t.same(planned.unplaced, []);
  t.same(everyValue(planned, ZONE), ['us-west-2a', 'us-west-2b', 'us-west-2c']);
});

t.test('60: where all can be had, a preferred zone is still taken', async (t) => {
  const pods = ['a', 'b'].map((name) => makePod(name, { spec: { affinity: prefersZones('us-west-2b') } }));
  t.same(everyValue(provisioned(makeSnapshot([], pods, POOLS), LIST), ZONE), ['us-west-2b']);
});

t.test('61: preferences yield to a required rule of a pod without any', async (t) => {
  const soft = Array.from({ length: 4 }, (_, n) =>
    makePod(`soft${n}`, { app: 's', spec: { affinity: avoids('t') } }),
  );
  const hard = Array.from({ length: 3 }, (_, n) =>
    makePod(`hard${n}`, { app: 't', spec: { topologySpreadConstraints: spread('t') } }),
  );
  const planned = provisioned(makeSnapshot([], [...soft, ...hard], POOLS), LIST);
  t.same(planned.unplaced, []);
  t.equal(groupsOf(planned).flat().length, 7);
});

t.test(
  '61: preferences about other pods yield before those about nodes, and only as far as they must',
  async (t) => {
    const list = priceList(
      { name: 'm.2', zones: ['us-west-2a'], price: 0.1 },
      { name: 'm.4', cpu: 4, zones: ['us-west-2a'], price: 0.3 },
    );
    const affinity = {
      ...avoids('b'),
      ...{
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 1,
              preference: { matchExpressions: [{ key: TYPE, operator: 'In' as const, values: ['m.4'] }] },
            },
          ],
        },
      },
    };
    const pods = [makePod('a', { app: 'a', spec: { affinity } }), makePod('b', { app: 'b' })];
    const planned = provisioned(makeSnapshot([], pods, POOLS), list);
    t.same(planned.unplaced, []);
    t.same(everyValue(planned, TYPE).includes('m.4'), true);
  },
);

t.test('61: a pod that has no place anyhow costs the others nothing of their preferences', async (t) => {
  const huge = makePod('huge', { cpu: 100_000 });
  const pods = ['a', 'b'].map((name) =>
    makePod(name, { app: name, spec: { affinity: avoids(name === 'a' ? 'b' : 'a') } }),
  );
  const planned = provisioned(makeSnapshot([], [huge, ...pods], POOLS), LIST);
  t.same(
    planned.unplaced.map(({ name }) => name),
    ['huge'],
  );
  t.equal(claimsOf(planned).length, 2, 'a and b are still apart');
});
