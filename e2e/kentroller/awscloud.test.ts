import t from 'tap';
import { createAwsCloud } from '../../cloud/aws/awscloud.ts';
import { listedFactsOf } from '../../cloud/aws/listprices.ts';
import { sdkReader } from '../../cloud/aws/sdkreader.ts';
import type { Cloud } from '../../cloud/cloud.ts';
import { withoutUnavailable } from '../../kentroller/cloud/availability.ts';
import { Offerings } from '../../kentroller/cloud/offerings.ts';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';
import type { Catalogue, InstanceType } from '../../planner/model/catalogue.ts';
import type { FaultChange } from '../ground/aws/control/types.ts';
import { readTypes, startTestRegion, type TestRegion } from '../ground/aws/testing/testregion.ts';

const MIB = 1024 * 1024;
const types = await readTypes();
const log = createLogger({ component: 'cloud-test', level: 'silent' });

const start = async (
  t: { teardown(fn: () => Promise<void>): void },
  every: { readonly pricesEveryMs?: number; readonly spotEveryMs?: number } = {},
  faults: FaultChange = {},
): Promise<{ cloud: Cloud; test: TestRegion }> => {
  const test = await startTestRegion(types);
  test.region.faults.set(faults);
  const stopping = new AbortController();
  t.teardown(async () => {
    stopping.abort();
    await test.close();
  });
  const { ec2, pricing } = test;
  const cloud = createAwsCloud({
    region: 'us-west-2',
    reader: sdkReader({ region: 'us-west-2', vmMemoryOverhead: 0.075, ec2, pricing }),
    pricesEveryMs: 3_600_000,
    spotEveryMs: 3_600_000,
    log,
    signal: stopping.signal,
    now: () => test.clock.now,
    table: (zones) => listedFactsOf('us-west-2', zones, 0.075),
    ...every,
  });
  return { cloud, test };
};

const ready = (cloud: Cloud): Promise<Catalogue> =>
  until('a catalogue', () => cloud.catalogue(), { timeoutMs: 20_000, everyMs: 20 });
const typeOf = (catalogue: Catalogue, name: string): InstanceType => {
  const found = catalogue.instanceTypes.find((type) => type.name === name);
  if (!found) throw new Error(`no ${name} in the catalogue`);
  return found;
};

// As Karpenter's AWS provider publishes them: https://karpenter.sh/docs/reference/instance-types/
const PUBLISHED = [
  ['m5.xlarge', 3920, 14_162, 58],
  ['c6a.large', 1930, 3_114, 29],
] as const;

t.test('types have the allocatable that Karpenter computes, and prices in every zone', async (t) => {
  const { cloud } = await start(t);
  await t.rejects(cloud.catalogue(), /not been read yet/, 'nothing is made up before the cloud has answered');
  const catalogue = await ready(cloud);
  t.ok(catalogue.instanceTypes.length > 500, 'the whole region, over many pages');
  for (const [name, cpu, memoryMiB, pods] of PUBLISHED) {
    const { capacity, overhead } = typeOf(catalogue, name);
    t.equal(capacity.cpu - overhead.cpu, cpu, `${name} cpu`);
    t.equal(capacity.pods, pods, `${name} pods`);
    t.ok(Math.abs((capacity.memory - overhead.memory) / MIB - memoryMiB) <= 1, `${name} memory`);
  }
  const m5 = typeOf(catalogue, 'm5.xlarge');
  t.match(m5.labels, {
    'karpenter.k8s.aws/instance-category': 'm',
    'karpenter.k8s.aws/instance-family': 'm5',
    'karpenter.k8s.aws/instance-generation': '5',
    'karpenter.k8s.aws/instance-size': 'xlarge',
    'karpenter.k8s.aws/instance-memory': '16384',
  });
  const onDemand = m5.offerings.filter((o) => o.capacityType === 'on-demand');
  t.same(onDemand.map((o) => o.zone).sort(), ['us-west-2a', 'us-west-2b', 'us-west-2c']);
  t.ok(onDemand.every((o) => o.price === types.get('m5.xlarge')?.onDemandPrice && o.zoneId));
  const spot = m5.offerings.filter((o) => o.capacityType === 'spot');
  t.equal(spot.length, 3);
  t.ok(spot.every((o) => o.price > 0 && o.price < (onDemand[0]?.price ?? 0)));
});

t.test('spot prices move, and the last good ones stay while the cloud does not answer', async (t) => {
  const { cloud, test } = await start(t, { spotEveryMs: 50 });
  const price = async (): Promise<number | undefined> =>
    new Offerings(await cloud.catalogue()).price('m5.xlarge', 'us-west-2a', 'spot', undefined);
  await ready(cloud);
  const first = await price();
  test.clock.now += 6 * 3_600_000;
  const second = await until('another price', async () => ((await price()) === first ? undefined : price()), {
    timeoutMs: 10_000,
    everyMs: 20,
  });
  t.ok(second && second > 0);
  test.region.faults.set({ throttle: [{ action: 'DescribeSpotPriceHistory', times: 1000 }] });
  test.clock.now += 6 * 3_600_000;
  await until('a refused call', () => (test.region.faults.read().throttle[0]?.times ?? 0) < 1000, {
    timeoutMs: 5_000,
  });
  t.equal(await price(), second, 'the last good price');
});

t.test(
  'machines have their private DNS names; those that the cloud does not know are left out',
  async (t) => {
    const { cloud, test } = await start(t);
    const type = types.get('m5.large');
    const [subnet] = test.region.network.subnets;
    if (!type || !subnet) throw new Error('the test region has no m5.large');
    const machine = test.region.instances.launch({
      type,
      subnet,
      capacityType: 'spot',
      imageId: 'ami-1',
      securityGroupIds: [],
      tags: new Map(),
      userData: '',
      rootVolumeGiB: 20,
    });
    const known = `aws:///us-west-2a/${machine.id}`;
    const names = await cloud.nodeNames([known, 'aws:///us-west-2a/i-0123456789abcdef0', 'kwok://node-1']);
    t.match(names.get(known), /^ip-[0-9-]+\.us-west-2\.compute\.internal$/);
    t.equal(names.get('kwok://node-1'), 'node-1');
    t.equal(names.size, 2);
  },
);

t.test('offerings that were refused are closed until they expire', async (t) => {
  const { cloud, test } = await start(t);
  const catalogue = await ready(cloud);
  const { now } = test.clock;
  const refused = (expiresAt: number) => ({
    metadata: { name: 'u' },
    spec: {
      instanceType: 'm5.xlarge',
      zone: 'us-west-2a',
      capacityType: 'spot' as const,
      reason: 'InsufficientCapacityError' as const,
      expiresAt: new Date(expiresAt).toISOString(),
    },
  });
  const open = (expiresAt: number): number =>
    typeOf(
      withoutUnavailable(catalogue, [refused(expiresAt)], { nodes: [], now }),
      'm5.xlarge',
    ).offerings.filter((o) => o.available).length;
  t.equal(open(now + 1000), 5, 'one of six');
  t.equal(open(now - 1000), 6);
});

const CLUSTER = {
  nodes: [{ metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'us-west-2a' } } }],
  nodePools: [],
};
const listedParts = (cloud: Cloud): readonly string[] =>
  (cloud.listed?.(CLUSTER)?.readings ?? []).flatMap(({ what, isListed }) => (isListed ? [what] : []));
const refusedOnce = (test: TestRegion): Promise<unknown> =>
  until('a refused call', () => test.region.faults.read().refuse.some(({ times = 0 }) => times < 1000), {
    timeoutMs: 20_000,
  });

t.test('without the right to read the price list, its part alone comes from the table', async (t) => {
  const { cloud, test } = await start(
    t,
    {},
    { refuse: [{ action: 'GetProducts', reason: 'denied', times: 1000 }] },
  );
  await refusedOnce(test);
  await until('the other parts', () => cloud.readings?.().length === 2, { timeoutMs: 20_000, everyMs: 20 });
  await t.rejects(cloud.catalogue(), /not been read yet/);
  t.same(listedParts(cloud), ['on-demand prices']);
  const catalogue = cloud.listed?.(CLUSTER)?.catalogue;
  if (!catalogue) throw new Error('nothing is listed');
  const offerings = new Offerings(catalogue);
  t.equal(offerings.price('m5.xlarge', 'us-west-2b', 'on-demand', undefined), 0.192);
  const m5 = types.get('m5.xlarge');
  if (!m5) throw new Error('the test region has no m5.xlarge');
  const { price } = test.region.market.priceAt(m5, 'us-west-2b', test.clock.now);
  t.equal(offerings.price('m5.xlarge', 'us-west-2b', 'spot', undefined), price, 'the price that was read');
});

t.test(
  'with credentials that have expired, the table is all there is, in the zones of the cluster',
  async (t) => {
    const { cloud, test } = await start(t, {}, { refuse: [{ action: '*', reason: 'expired', times: 1000 }] });
    await refusedOnce(test);
    t.same(listedParts(cloud), ['instance types', 'on-demand prices', 'spot prices']);
    const m5 = typeOf(cloud.listed?.(CLUSTER)?.catalogue ?? { instanceTypes: [] }, 'm5.xlarge');
    t.same([...new Set(m5.offerings.map(({ zone }) => zone))], ['us-west-2a']);
  },
);

t.test('credentials that expire later leave what was read, and its age is told', async (t) => {
  const { cloud, test } = await start(t, { spotEveryMs: 50 });
  await ready(cloud);
  test.region.faults.set({ refuse: [{ action: '*', reason: 'expired', times: 1000 }] });
  test.clock.now += 3_600_000;
  await refusedOnce(test);
  t.ok(await cloud.catalogue());
  t.match(
    cloud.readings?.().find(({ what }) => what === 'spot prices'),
    { isOverdue: true },
  );
  test.region.faults.set({ refuse: [] });
});

t.test('throttled calls are tried again by themselves', async (t) => {
  const { cloud, test } = await start(t, {}, { throttle: [{ action: '*', times: 2 }] });
  t.ok((await ready(cloud)).instanceTypes.length > 500);
  t.same(test.region.faults.read().throttle, []);
});
