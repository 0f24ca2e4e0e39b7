import fc from 'fast-check';
import t from 'tap';
import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../api/labels.ts';
import type { NodePool } from '../api/objects.ts';
import { requirementsOfEach } from '../api/plans.ts';
import type { Catalogue } from './model/catalogue.ts';
import { provision } from './provision.ts';
import { rebalance } from './rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './testing/builders.ts';
import { randomCluster, smallCatalogue } from './testing/randomcluster.ts';
import { machines, NOW, provisionFor, rebalanceOf } from './testing/smallworld.ts';

/** Interruption tolerance and diversity of spot: seed 002, "Spot/Preemptive Instances policy". */

/** Spot at these parts of the on-demand price, by zone; an offering named in `doubtful` was taken back lately. */
const spotMarket = (
  shares: Readonly<Record<string, number>>,
  doubtful: readonly string[] = [],
): Catalogue => ({
  instanceTypes: machines.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.flatMap((each) => [
      each,
      {
        ...each,
        capacityType: 'spot' as const,
        price: each.price * (shares[each.zone] ?? 0.5),
        ...(doubtful.includes(`${type.name}/${each.zone}`) && { isLessReliable: true as const }),
      },
    ]),
  })),
});
const SHARES = { 'us-west-2a': 0.3, 'us-west-2b': 0.33 };

/** The same with parts of the on-demand price by type, where those are given. */
const inMarket = (shares: Readonly<Record<string, number>>, doubtful: readonly string[]): Catalogue => {
  const market = spotMarket(SHARES, doubtful);
  const instanceTypes = market.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.map((each) => {
      const share = shares[type.name];
      const onDemand = type.offerings.find(({ capacityType }) => capacityType === 'on-demand');
      const isOther = each.capacityType !== 'spot' || share === undefined || !onDemand;
      return isOther ? each : { ...each, price: onDemand.price * share };
    }),
  }));
  return { ...market, instanceTypes };
};

const poolOf = (capacityTypes: readonly string[], more: Partial<NodePool['spec']> = {}): NodePool => {
  const pool = makePool('default', {
    requirements: [{ key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: [...capacityTypes] }],
  });
  return { ...pool, spec: { ...pool.spec, ...more } };
};
const SPOT = { nodePools: [poolOf(['spot'])] };

/** The type and zone of the first attempt of each added claim; zones that it leaves open are joined. */
const boughtBy = ({ plan }: ReturnType<typeof provisionFor>): string[] =>
  (plan?.spec.nodeClaimsToAdd ?? []).map(({ spec }) => {
    const values = (key: string) =>
      spec.requirements.find((each) => each.key === key)?.values?.join('|') ?? '';
    return `${values('node.kubernetes.io/instance-type')}/${values(ZONE)}`;
  });

t.test('least interrupted: spot that was taken back lately is passed over for dearer spot', async (t) => {
  const pod = makePod('p', { cpu: 3_500 });
  const snapshot = makeSnapshot([], [pod], SPOT);
  t.same(boughtBy(provisionFor(snapshot, spotMarket(SHARES))), ['m5.xlarge/us-west-2a']);
  t.same(boughtBy(provisionFor(snapshot, spotMarket(SHARES, ['m5.xlarge/us-west-2a']))), [
    'm5.xlarge/us-west-2b',
  ]);
  const both = ['m5.xlarge/us-west-2a', 'm5.xlarge/us-west-2b'];
  const cheap = inMarket({ 'm5.4xlarge': 0.1 }, both);
  t.same(boughtBy(provisionFor(snapshot, cheap)), ['m5.4xlarge/us-west-2a|us-west-2b'], 'a third dearer');
});

t.test(
  'least interrupted: nothing more than half dearer stands in, nor what on-demand undercuts',
  async (t) => {
    const both = ['m5.xlarge/us-west-2a', 'm5.xlarge/us-west-2b'];
    const snapshot = makeSnapshot([], [makePod('p', { cpu: 3_500 })], SPOT);
    t.same(boughtBy(provisionFor(snapshot, spotMarket(SHARES, both))), ['m5.xlarge/us-west-2a'], '4 times');
    const dear = inMarket({ 'm5.xlarge': 0.9, 'm5.4xlarge': 0.28 }, both);
    t.same(
      boughtBy(provisionFor(snapshot, dear)),
      ['m5.xlarge/us-west-2a|us-west-2b'],
      'above its on-demand price',
    );
    const any = { nodePools: [poolOf(['spot', 'on-demand'])] };
    const { plan } = provisionFor(makeSnapshot([], [makePod('p', { cpu: 3_500 })], any), dear);
    t.same(
      plan?.savings.greenNodes?.map(({ instanceType, isSpot }) => [instanceType, isSpot]),
      [['m5.xlarge', true]],
      'no switch to on-demand',
    );
  },
);

t.test('least interrupted: under minValues and a limit of all cores nothing stands in', async (t) => {
  const pool = poolOf(['spot']);
  const { requirements } = pool.spec.template.spec;
  const many = { key: INSTANCE_TYPE, operator: 'Exists' as const, minValues: 2 };
  const template = {
    ...pool.spec.template,
    spec: { ...pool.spec.template.spec, requirements: [...requirements, many] },
  };
  const both = ['m5.xlarge/us-west-2a', 'm5.xlarge/us-west-2b'];
  const cheap = inMarket({ 'm5.4xlarge': 0.1 }, both);
  const pods = [makePod('p', { cpu: 3_500 })];
  const withMinValues = makeSnapshot([], pods, {
    nodePools: [{ ...pool, spec: { ...pool.spec, template } }],
  });
  t.same(provisionFor(withMinValues, cheap).unplaced, []);
  const request = { snapshot: makeSnapshot([], pods, SPOT), catalogue: cheap, now: NOW, seed: 1 };
  t.same(provision({ ...request, planName: 'plan', rounds: 5, maxCores: 4 }).unplaced, []);
});

t.test(
  'least interrupted: a node that must go does, where only doubtful spot is within its limit',
  async (t) => {
    const node = makeNode('a', { capacityType: 'spot', zone: 'us-west-2b' });
    const snapshot = makeSnapshot([node], [makePod('p', { node: 'a', cpu: 3_500 })], SPOT);
    // The node costs 0.0634 USD an hour, doubtful spot in the other zone 0.0576, and what stands in for it 0.0768.
    const market = inMarket({ 'm5.4xlarge': 0.1 }, ['m5.xlarge/us-west-2a', 'm5.xlarge/us-west-2b']);
    const mustGo = { a: { reason: 'SpotPrediction' as const } };
    const { plan } = rebalanceOf(snapshot, { mustGo }, market);
    t.same(
      plan?.savings.greenNodes?.map(({ instanceType }) => instanceType),
      ['m5.xlarge'],
    );
  },
);

t.test('least interrupted: of no attempt is one that other spot can stand in for', async (t) => {
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 3_500 })], SPOT);
  const { plan } = provisionFor(snapshot, spotMarket(SHARES, ['m5.xlarge/us-west-2a']));
  for (const { alternatives = [] } of plan?.spec.nodeClaimsToAdd ?? []) {
    for (const { requirements } of alternatives) {
      const values = (key: string) => requirements.find((each) => each.key === key)?.values ?? [];
      t.notOk(
        values('node.kubernetes.io/instance-type').includes('m5.xlarge') &&
          values(ZONE).includes('us-west-2a'),
      );
    }
  }
});

t.test('least interrupted: what nothing else can stand in for is bought all the same', async (t) => {
  const all = machines.instanceTypes.flatMap(({ name }) => [`${name}/us-west-2a`, `${name}/us-west-2b`]);
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 3_500 })], SPOT);
  t.same(boughtBy(provisionFor(snapshot, spotMarket(SHARES, all))), ['m5.xlarge/us-west-2a']);
  const inZone = makePod('p', { cpu: 15_000, spec: { nodeSelector: { [ZONE]: 'us-west-2a' } } });
  const largest = spotMarket(SHARES, ['m5.4xlarge/us-west-2a']);
  t.same(boughtBy(provisionFor(makeSnapshot([], [inZone], SPOT), largest)), ['m5.4xlarge/us-west-2a']);
});

t.test('least interrupted: under limits no larger machine stands in', async (t) => {
  const limited = { nodePools: [poolOf(['spot'], { limits: { cpu: '4' } })] };
  const both = ['m5.xlarge/us-west-2a', 'm5.xlarge/us-west-2b'];
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 3_500 })], limited);
  t.same(boughtBy(provisionFor(snapshot, spotMarket(SHARES, both))), ['m5.xlarge/us-west-2a']);
});

const marked = (catalogue: Catalogue, isDoubtful: () => boolean): Catalogue => ({
  ...catalogue,
  instanceTypes: catalogue.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.map((each) =>
      each.capacityType === 'spot' && isDoubtful() ? { ...each, isLessReliable: true as const } : each,
    ),
  })),
});

t.test('whatever was taken back, no pod loses its place by it', async () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.array(fc.boolean(), { minLength: 21, maxLength: 21 }), (seed, doubts) => {
      const snapshot = randomCluster(seed, 4, 16, { selectors: true, spread: true, ports: true });
      const pods = snapshot.pods.map((pod) => {
        const { nodeName: _, ...spec } = pod.spec;
        return { ...pod, spec, status: { phase: 'Pending' as const } };
      });
      let at = 0;
      const catalogue = marked(smallCatalogue, () => doubts[at++ % doubts.length] === true);
      const placed = (from: Catalogue): number =>
        provision({
          snapshot: { ...snapshot, nodes: [], nodeClaims: [], pods },
          catalogue: from,
          now: NOW,
          seed: 1,
          planName: 'plan',
          rounds: 5,
        }).unplaced.length;
      return placed(catalogue) === placed(smallCatalogue);
    }),
    { numRuns: 25, seed: 1 },
  );
});

/** Of machines up to m5.xlarge, which one of the pods fills. */
const spread = (shares: Readonly<Record<string, number>>, percent?: number): Catalogue => ({
  instanceTypes: spotMarket(shares).instanceTypes.filter(({ name }) => name !== 'm5.4xlarge'),
  ...(percent !== undefined && { spotDiversityPercent: percent }),
});
const fourPods = (app: string) =>
  [1, 2, 3, 4].map((n) => makePod(`${app}${n}`, { app, owner: 'StatefulSet', cpu: 3_500 }));

t.test('diversity: the spot nodes of a workload do not all begin in one pool', async (t) => {
  const snapshot = makeSnapshot([], fourPods('web'), SPOT);
  t.same(new Set(boughtBy(provisionFor(snapshot, spread(SHARES)))).size, 1, 'without it they do');
  t.same(boughtBy(provisionFor(snapshot, spread(SHARES, 20))).sort(), [
    'm5.xlarge/us-west-2a',
    'm5.xlarge/us-west-2a',
    'm5.xlarge/us-west-2b',
    'm5.xlarge/us-west-2b',
  ]);
});

t.test('diversity: nothing dearer than its limit is bought for it', async (t) => {
  const snapshot = makeSnapshot([], fourPods('web'), SPOT);
  t.same(new Set(boughtBy(provisionFor(snapshot, spread(SHARES, 9)))), new Set(['m5.xlarge/us-west-2a']));
});

t.test('diversity: further attempts are as wide as without it', async (t) => {
  const snapshot = makeSnapshot([], fourPods('web'), SPOT);
  const { plan } = provisionFor(snapshot, spread(SHARES, 20));
  for (const claim of plan?.spec.nodeClaimsToAdd ?? []) {
    const [, second] = requirementsOfEach(claim);
    t.same(second?.find(({ key }) => key === ZONE)?.values, ['us-west-2a']);
  }
});

t.test('diversity: standing nodes of a workload count, those of others do not', async (t) => {
  const standing = makeNode('a', { capacityType: 'spot', zone: 'us-west-2a' });
  const world = (app: string) =>
    makeSnapshot(
      [standing],
      [makePod('there', { app, node: 'a', cpu: 3_500 }), makePod('p', { app: 'web', cpu: 3_500 })],
      SPOT,
    );
  t.same(boughtBy(provisionFor(world('web'), spread(SHARES, 20))), ['m5.xlarge/us-west-2b']);
  t.same(boughtBy(provisionFor(world('other'), spread(SHARES, 20))), ['m5.xlarge/us-west-2a']);
});

t.test('diversity: a plan that would not save any more is written without it', async (t) => {
  const nodes = ['a', 'b'].map((name) => makeNode(name, { capacityType: 'spot', zone: 'us-west-2b' }));
  const pods = ['a', 'b'].map((node) => makePod(`p-${node}`, { node, cpu: 1_500 }));
  const shares = { 'us-west-2a': 0.3, 'us-west-2b': 0.3 };
  const { plan } = rebalanceOf(makeSnapshot(nodes, pods, SPOT), {}, spread(shares, 1_000));
  t.ok(Number(plan?.savings.projectedSavingsPercent) > 0);
});

t.test('diversity: a plan that would miss the threshold by it is written without it', async (t) => {
  const nodes = ['a', 'b'].map((name) => makeNode(name, { capacityType: 'spot', zone: 'us-west-2b' }));
  const pods = ['a', 'b'].map((node) => makePod(`p-${node}`, { node, app: 'web', cpu: 3_500 }));
  const world = makeSnapshot(nodes, pods, SPOT);
  const market = spread({ 'us-west-2a': 0.3, 'us-west-2b': 0.36 }, 20);
  const m6 = (share: number) => (type: Catalogue['instanceTypes'][number]) => ({
    ...type,
    name: 'm6.xlarge',
    offerings: type.offerings.map((each) =>
      each.capacityType === 'spot' ? { ...each, price: 0.192 * share } : { ...each, available: false },
    ),
  });
  const xlarge = market.instanceTypes.filter(({ name }) => name === 'm5.xlarge');
  const catalogue = { ...market, instanceTypes: [...market.instanceTypes, ...xlarge.map(m6(0.354))] };
  const percentOf = (leastSavings?: object): number => {
    const { plan } = rebalanceOf(world, { ...(leastSavings && { leastSavings }) }, catalogue);
    return Number(plan?.savings.projectedSavingsPercent);
  };
  t.ok(percentOf() < 12, `${percentOf()} % with it`);
  t.ok(percentOf({ percent: 12 }) >= 12, 'in percent of the removed nodes');
  t.ok(percentOf({ monthly: 15 }) >= 12, 'in USD a month');
  t.equal(percentOf({ percent: 1 }), percentOf(), 'kept where the threshold is met');
  t.equal(percentOf({ percent: 90 }), percentOf({ percent: 12 }), 'nothing is lost where nothing meets it');
});

t.test('however far workloads are spread, a plan saves what it says, and more than nothing', async () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 500 }), (seed, spotDiversityPercent) => {
      const snapshot = randomCluster(seed, 5, 20, { selectors: true });
      const catalogue = { ...smallCatalogue, spotDiversityPercent };
      const request = { snapshot, catalogue, now: NOW, seed: 1, planName: 'plan', rounds: 10 };
      const { plan } = rebalance(request);
      return (
        !plan || Number(plan.savings.projectedMonthlyCost) < Number(plan.savings.currentMonthlyCost) + 0.01
      );
    }),
    { numRuns: 25, seed: 1 },
  );
});
