import fc from 'fast-check';
import t from 'tap';
import type { Pod, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import {
  claimsOf,
  everyValue,
  groupsOf,
  inOrder,
  priceList,
  provisioned,
  rebalanced,
} from '../testing/cases.ts';

const ZONE = 'topology.kubernetes.io/zone';
const HOST = 'kubernetes.io/hostname';
const POOLS = { nodePools: [makePool('default', { requirements: [] })] };
const LIST = priceList(
  { name: 'm.2', price: 0.1 },
  { name: 'm.4', cpu: 4, memory: '16Gi', price: 0.21 },
  { name: 'm.8', cpu: 8, memory: '32Gi', price: 0.43 },
);

const term = (app: string, topologyKey: string) => ({ labelSelector: { matchLabels: { app } }, topologyKey });
const joins = (app: string, key = HOST): Partial<PodSpec> => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(app, key)] } },
});
const names = ({ plan }: ReturnType<typeof provisioned>): readonly string[] =>
  (plan?.spec.podsToMigrate ?? []).map(({ name }) => name).sort();

t.test(
  '64: a pod that must join another is placed with it, whichever is listed or named first',
  async (t) => {
    for (const [lead, follow] of [
      ['a', 'z'],
      ['z', 'a'],
    ] as const) {
      for (const cpu of [100, 1500]) {
        const pods = [makePod(follow, { app: 'f', cpu, spec: joins('l') }), makePod(lead, { app: 'l', cpu })];
        for (const list of [pods, pods.toReversed()]) {
          const planned = provisioned(makeSnapshot([], list, POOLS), LIST);
          t.same(planned.unplaced, []);
          t.same(groupsOf(planned), [['a', 'z']], `${follow} follows ${lead} at ${cpu}m`);
        }
      }
    }
  },
);

t.test('64b: on a node that stands, or together elsewhere where it has no room for both', async (t) => {
  const pods = [
    makePod('follow', { app: 'f', cpu: 1500, spec: joins('l') }),
    makePod('lead', { app: 'l', cpu: 1500 }),
  ];
  const big = provisioned(makeSnapshot([makeNode('n', { type: 'x', cpu: 3500 })], pods, POOLS), LIST);
  t.same([big.unplaced, claimsOf(big).length, groupsOf(big)], [[], 0, [['follow', 'lead']]]);
  const small = provisioned(makeSnapshot([makeNode('n', { type: 'x', cpu: 2000 })], pods, POOLS), LIST);
  t.same([small.unplaced, claimsOf(small).length, groupsOf(small)], [[], 1, [['follow', 'lead']]]);
});

t.test('64c: a chain, and a follower whose selector moves its leader to another zone', async (t) => {
  const chain = [
    makePod('cache', { app: 'cache', cpu: 900, spec: joins('web') }),
    makePod('web', { app: 'web', cpu: 900, spec: joins('db') }),
    makePod('db', { app: 'db', cpu: 900 }),
  ];
  t.same(groupsOf(provisioned(makeSnapshot([], chain, POOLS), LIST)), [['cache', 'db', 'web']]);
  const zonal = [
    makePod('lead', { app: 'l' }),
    makePod('follow', { app: 'f', spec: { ...joins('l', ZONE), nodeSelector: { [ZONE]: 'us-west-2c' } } }),
  ];
  const planned = provisioned(makeSnapshot([], zonal, POOLS), LIST);
  t.same(planned.unplaced, []);
  t.same(everyValue(planned, ZONE), ['us-west-2c']);
});

t.test(
  '64: what nothing can mend is named: a leader that is not there, two that wait for each other',
  async (t) => {
    const alone = provisioned(makeSnapshot([], [makePod('f', { app: 'f', spec: joins('l') })], POOLS), LIST);
    t.match(alone.unplaced, [{ reason: /required affinity by kubernetes.io\/hostname/ }]);
    const both = [makePod('a', { app: 'a', spec: joins('b') }), makePod('b', { app: 'b', spec: joins('a') })];
    t.equal(provisioned(makeSnapshot([], both, POOLS), LIST).unplaced.length, 2);
  },
);

t.test('10: in whatever order pods are listed, the same ones get a place', async () => {
  const kind = fc.record({
    app: fc.constantFrom('a', 'b', 'c'),
    cpu: fc.constantFrom(100, 900, 1500),
    joins: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
    key: fc.constantFrom(HOST, ZONE),
  });
  fc.assert(
    fc.property(fc.array(kind, { minLength: 2, maxLength: 7 }), fc.integer(), (kinds, seed) => {
      const pods = kinds.map(({ app, cpu, joins: other, key }, n) =>
        makePod(`p${n}`, {
          app,
          cpu,
          ...(other !== undefined && other !== app && { spec: joins(other, key) }),
        }),
      );
      const given = makeSnapshot([makeNode('n', { type: 'x', cpu: 2000 })], pods, POOLS);
      const shuffled =
        fc.sample(fc.shuffledSubarray(pods, { minLength: pods.length }), { seed, numRuns: 1 })[0] ?? [];
      const first = names(provisioned(given, LIST));
      const second = names(provisioned(inOrder(given, shuffled), LIST));
      if (first.join() !== second.join()) throw new Error(`${first.join()} is not ${second.join()}`);
    }),
    { numRuns: 60, seed: 5 },
  );
});

const affinityToSelf = (app: string): Partial<PodSpec> => joins(app, ZONE);

t.test(
  '15: pods that pods with self-affinity may also join decide where, for any order of arrival',
  async (t) => {
    // The two that follow themselves could be first anywhere; the plain pod of their kind has to be in us-west-2b.
    const pods = [
      makePod('s1', { app: 's', cpu: 1500, spec: affinityToSelf('s') }),
      makePod('s2', { app: 's', cpu: 1500, spec: affinityToSelf('s') }),
      makePod('plain', { app: 's', cpu: 100, spec: { nodeSelector: { [ZONE]: 'us-west-2b' } } }),
    ];
    for (const list of [pods, pods.toReversed()]) {
      const planned = provisioned(makeSnapshot([], list, POOLS), LIST);
      t.same(planned.unplaced, []);
      t.same(everyValue(planned, ZONE), ['us-west-2b']);
    }
  },
);

t.test(
  '28c: a claim allows no zone that a rule of its pods does not, though nothing counts them',
  async (t) => {
    const standing = makeNode('n', { type: 'x', zone: 'us-west-2b', cpu: 600 });
    const redis = makePod('redis', { app: 'redis', node: 'n', cpu: 500 });
    for (const spec of [
      joins('redis', ZONE),
      {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: ZONE,
            whenUnsatisfiable: 'DoNotSchedule' as const,
            labelSelector: { matchLabels: { app: 'redis' } },
          },
        ],
      },
      {
        affinity: {
          podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('redis', ZONE)] },
        },
      },
    ]) {
      const planned = provisioned(
        makeSnapshot([standing], [redis, makePod('api', { app: 'api', spec })], POOLS),
        LIST,
      );
      t.same(planned.unplaced, []);
      t.equal(everyValue(planned, ZONE).length, 1);
    }
  },
);

t.test('32: pods on one ReadWriteOnce volume stay on one node', async (t) => {
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'shared' } }];
  const rest = {
    ...POOLS,
    persistentVolumeClaims: [
      {
        metadata: { name: 'shared', namespace: 'default' },
        spec: { volumeName: 'pv', accessModes: ['ReadWriteOnce'] },
        status: { phase: 'Bound' },
      },
    ],
    persistentVolumes: [
      {
        metadata: { name: 'pv' },
        spec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'd', volumeHandle: 'h' } },
      },
    ],
  };
  const pod = (name: string, node?: string): Pod =>
    makePod(name, { app: name, cpu: 1500, spec: { volumes }, ...(node !== undefined && { node }) });
  const list = priceList(
    { name: 'm.2', price: 0.1 },
    { name: 'm.4', cpu: 4, memory: '16Gi', price: 0.21 },
    { name: 'm.16', cpu: 16, price: 0.9 },
  );
  const moved = rebalanced(
    makeSnapshot([makeNode('n', { type: 'm.16', cpu: 15_000 })], [pod('a', 'n'), pod('b', 'n')], rest),
    list,
  );
  t.same(groupsOf(moved), [['a', 'b']]);
  t.same(groupsOf(provisioned(makeSnapshot([], [pod('a'), pod('b')], rest), list)), [['a', 'b']]);
  const beside = provisioned(
    makeSnapshot([makeNode('n', { type: 'x', cpu: 2000 })], [pod('a', 'n'), pod('b')], rest),
    list,
  );
  t.equal(beside.unplaced.length, 1, 'the volume is on a full node');
});
