import fc from 'fast-check';
import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import { requirementsOfEach } from '../../api/plans.ts';
import { type Catalogue, catalogueFromKwok } from '../model/catalogue.ts';
import { supplyOf } from '../model/supply.ts';
import { provision } from '../provision.ts';
import { makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import type { CompiledOption } from './compiledoption.ts';
import { instanceTypeSetOf, instanceTypeSetsByPrice, withinCap } from './instancetypeset.ts';
import { launchOptionsOf } from './launch/launchoption.ts';

const SIZES = [
  ['large', 2, 1],
  ['xlarge', 4, 2],
  ['2xlarge', 8, 4],
] as const;

const catalogue: Catalogue = catalogueFromKwok(
  (
    [
      ['c5', 2, 0.085],
      ['m5', 4, 0.096],
      ['r5', 8, 0.126],
    ] as const
  ).flatMap(([family, ratio, price]) =>
    SIZES.map(([size, cpu, factor]) => ({
      name: `${family}.${size}`,
      architecture: 'amd64',
      operatingSystems: ['linux'],
      resources: { cpu: String(cpu), memory: `${cpu * ratio}Gi`, pods: '58' },
      offerings: ['a', 'b'].flatMap((zone) =>
        ['on-demand', 'spot'].map((capacityType) => ({
          Price: price * factor * (capacityType === 'spot' ? 0.4 : 1),
          Requirements: [
            { key: 'karpenter.sh/capacity-type', operator: 'In', values: [capacityType] },
            { key: 'topology.kubernetes.io/zone', operator: 'In', values: [zone] },
          ],
        })),
      ),
    })),
  ),
);

const TYPE = 'node.kubernetes.io/instance-type';
const FAMILY = 'karpenter.k8s.aws/instance-family';
const CAPACITY = 'karpenter.sh/capacity-type';
const ZONE = 'topology.kubernetes.io/zone';

const poolWith = (
  requirements: NodePool['spec']['template']['spec']['requirements'],
  limits?: Record<string, string>,
): NodePool => {
  const pool = makePool('default', { requirements });
  return { ...pool, spec: { ...pool.spec, ...(limits && { limits }) } };
};

const planFor = (pool: NodePool, pods = [makePod('p', { cpu: 1000, memory: 1024 })]) =>
  provision({
    snapshot: makeSnapshot([], pods, { nodePools: [pool] }),
    catalogue,
    now: 0,
    seed: 1,
    planName: 'p',
    rounds: 50,
  });

const ANY_CAPACITY = { key: CAPACITY, operator: 'In' as const, values: ['on-demand', 'spot'] };
const ON_DEMAND = { key: CAPACITY, operator: 'In' as const, values: ['on-demand'] };

t.test('every alternative of a claim keeps minValues, of whatever key', (t) => {
  const table: readonly [string, NodePool['spec']['template']['spec']['requirements'], string, number][] = [
    ['types', [{ key: TYPE, operator: 'Exists', minValues: 5 }, ON_DEMAND], TYPE, 5],
    ['families', [{ key: FAMILY, operator: 'Exists', minValues: 3 }, ON_DEMAND], FAMILY, 3],
    ['capacity types', [{ ...ANY_CAPACITY, minValues: 2 }], CAPACITY, 2],
    ['zones', [{ key: ZONE, operator: 'Exists', minValues: 2 }, ON_DEMAND], ZONE, 2],
  ];
  for (const [title, requirements, key, least] of table) {
    const { plan, unplaced } = planFor(poolWith(requirements));
    t.same(unplaced, [], title);
    const [claim] = plan?.spec.nodeClaimsToAdd ?? [];
    for (const each of claim ? requirementsOfEach(claim) : [undefined]) {
      const found = each?.find((one) => one.key === key);
      t.equal(found?.minValues, least, title);
      const types = each?.find((one) => one.key === TYPE)?.values ?? [];
      const values = key === FAMILY ? types.map((type) => type.split('.')[0]) : (found?.values ?? []);
      t.ok(new Set(values).size >= least, `${title}: ${values.join(' ')}`);
    }
  }
  t.end();
});

t.test('a node is no larger than minValues types can hold', (t) => {
  const pods = Array.from({ length: 7 }, (_, n) => makePod(`p${n}`, { cpu: 1000, memory: 512 }));
  const all = poolWith([{ key: TYPE, operator: 'Exists', minValues: 9 }, ON_DEMAND]);
  const { plan, unplaced } = planFor(all, pods);
  t.same(unplaced, []);
  for (const claim of plan?.spec.nodeClaimsToAdd ?? []) {
    t.equal(claim.spec.requirements.find((each) => each.key === TYPE)?.values?.length, 9);
  }
  t.equal(plan?.spec.nodeClaimsToAdd?.length, 7, 'one a node: the smallest of the nine types holds one');
  const tooMany = planFor(poolWith([{ key: TYPE, operator: 'Exists', minValues: 10 }, ON_DEMAND]), pods);
  t.equal(tooMany.unplaced.length, 7);
  t.match(tooMany.unplaced[0]?.reason, /minValues of the NodePool/);
  t.equal(tooMany.plan, null);
  t.end();
});

t.test('whichever alternative the cloud takes, a NodePool stays within its limits', (t) => {
  const cpuOf = (type: string): number => SIZES.find(([size]) => type.endsWith(`.${size}`))?.[1] ?? 0;
  const pods = [makePod('a', { cpu: 1500, memory: 512 }), makePod('b', { cpu: 1500, memory: 6000 })];
  for (const cpu of [4, 5, 6, 8, 12]) {
    const { plan, unplaced } = planFor(poolWith([ON_DEMAND], { cpu: String(cpu) }), pods);
    t.same(unplaced, []);
    let most = 0;
    for (const claim of plan?.spec.nodeClaimsToAdd ?? []) {
      const types = [claim.spec, ...(claim.alternatives ?? [])].flatMap(
        (each) => each.requirements.find((one) => one.key === TYPE)?.values ?? [],
      );
      t.ok(types.length > 0);
      most += Math.max(...types.map(cpuOf));
    }
    t.ok(most <= cpu, `${most} of ${cpu} CPUs at most`);
  }
  t.end();
});

t.test('sets split off by price are those that one call after the other gives for what is left', async () => {
  const [first] = catalogue.instanceTypes;
  if (!first) throw new Error('the catalogue has types');
  const many = Array.from({ length: 30 }, (_, n) => ({
    ...first,
    name: `t${n}`,
    offerings: first.offerings.map((each) => ({ ...each, price: each.price * 1.01 ** Math.floor(n / 2) })),
  }));
  const launchOptions = launchOptionsOf(
    [poolWith([ANY_CAPACITY])],
    supplyOf({ instanceTypes: many }),
    new Map(),
  );
  const options = launchOptions.map(
    (launchOption, nodeClass): CompiledOption => ({
      launchOption,
      nodeClass,
      price: launchOption.price,
      podRisk: 0,
      room: new Float64Array(3),
    }),
  );
  fc.assert(
    fc.property(
      fc.subarray([...options.keys()], { minLength: 1 }),
      fc.integer({ min: 1, max: 8 }),
      (places, most) => {
        const offered = places.flatMap((place) => options[place] ?? []);
        const expected: CompiledOption[][] = [];
        for (let left: readonly CompiledOption[] = offered; left.length > 0 && expected.length < most; ) {
          const next = instanceTypeSetOf(withinCap(left), new Map());
          expected.push(next);
          left = left.filter((each) => !next.includes(each));
        }
        const rest = offered.values();
        const found = instanceTypeSetsByPrice(() => rest.next().value, most);
        const named = (instanceTypeSets: readonly (readonly CompiledOption[])[]): string =>
          JSON.stringify(instanceTypeSets.map((each) => each.map((option) => option.nodeClass)));
        if (named(found) !== named(expected)) throw new Error(`${named(found)}, not ${named(expected)}`);
      },
    ),
    { numRuns: process.env.SOAK ? 20_000 : 500, seed: 5 },
  );
});
