import t from 'tap';
import { listedRegions, listPricesOf } from './listprices.ts';

/** The table that comes with us. Prices are those of the day that it names. */

const OVERHEAD = 0.075;
const zones = (names: Readonly<Record<string, string | undefined>>) => new Map(Object.entries(names));
const ONE_ZONE = zones({ 'us-west-2a': undefined });
const typeIn = (region: string, name: string, at = ONE_ZONE) =>
  listPricesOf(region, at, OVERHEAD)?.catalogue.instanceTypes.find((type) => type.name === name);

t.test('an m5.large in us-west-2', async (t) => {
  const prices = listPricesOf('us-west-2', ONE_ZONE, OVERHEAD);
  t.match(prices, { onDemandDate: /^\d{4}-\d\d-\d\d$/, spotDate: /^\d{4}-\d\d-\d\d$/ });
  const type = typeIn('us-west-2', 'm5.large');
  t.match(type?.capacity, { cpu: 2000, pods: 29 });
  t.match(type?.labels, {
    'karpenter.k8s.aws/instance-family': 'm5',
    'karpenter.k8s.aws/instance-hypervisor': 'nitro',
    'karpenter.k8s.aws/instance-cpu-manufacturer': 'intel',
    'topology.kubernetes.io/region': 'us-west-2',
    'eks.amazonaws.com/instance-category': 'm',
    'eks.amazonaws.com/instance-generation': '5',
  });
  const [onDemand, spot] = type?.offerings ?? [];
  t.match(onDemand, { zone: 'us-west-2a', capacityType: 'on-demand', price: 0.096 });
  t.match(spot, { zone: 'us-west-2a', capacityType: 'spot' });
  t.ok((spot?.price ?? 0) > 0.01 && (spot?.price ?? 1) < 0.096);
});

t.test('GPUs and Neuron devices are there by their resource names', async (t) => {
  t.match(typeIn('us-west-2', 'p4d.24xlarge')?.capacity.other, { 'nvidia.com/gpu': 8 });
  t.match(typeIn('us-west-2', 'p4d.24xlarge')?.labels, { 'karpenter.k8s.aws/instance-gpu-name': 'a100' });
  t.match(typeIn('us-west-2', 'inf2.xlarge')?.capacity.other, { 'aws.amazon.com/neuron': 1 });
});

t.test('what the table does not know is not made up', async (t) => {
  t.equal(listPricesOf('mars-north-1', ONE_ZONE, OVERHEAD), undefined);
  t.notOk(
    'karpenter.k8s.aws/instance-encryption-in-transit-supported' in
      (typeIn('us-west-2', 'm5.large')?.labels ?? {}),
  );
});

t.test('a type is sold where its zone ids say, and in zones without a known id', async (t) => {
  // m5.large is not sold in use1-az3.
  const at = zones({ 'us-east-1a': 'use1-az1', 'us-east-1e': 'use1-az3', 'us-east-1f': undefined });
  const sold = new Set(typeIn('us-east-1', 'm5.large', at)?.offerings.map(({ zone }) => zone));
  t.strictSame([...sold], ['us-east-1a', 'us-east-1f']);
});

t.test('each region has types, each with a size and a price above zero', async (t) => {
  for (const region of listedRegions()) {
    const types = listPricesOf(region, ONE_ZONE, OVERHEAD)?.catalogue.instanceTypes ?? [];
    t.ok(types.length > 100, `${region}: ${types.length} types`);
    const wrong = types.filter(
      ({ capacity, offerings }) =>
        !(
          capacity.cpu > 0 &&
          capacity.memory > 0 &&
          capacity.pods > 0 &&
          offerings.every(({ price }) => price > 0)
        ),
    );
    t.strictSame(
      wrong.map(({ name }) => name),
      [],
      region,
    );
  }
});
