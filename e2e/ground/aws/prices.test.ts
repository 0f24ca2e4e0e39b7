import { DescribeSpotPriceHistoryCommand, paginateDescribeSpotPriceHistory } from '@aws-sdk/client-ec2';
import { GetProductsCommand, paginateGetProducts } from '@aws-sdk/client-pricing';
import t from 'tap';
import { readTypes, startTestRegion } from './testing/testregion.ts';

const types = await readTypes();

const SHARED = [
  { Type: 'TERM_MATCH' as const, Field: 'regionCode', Value: 'us-west-2' },
  { Type: 'TERM_MATCH' as const, Field: 'tenancy', Value: 'Shared' },
];

t.test('on-demand prices come page by page and are those of the catalogue', async (t) => {
  const { pricing, close } = await startTestRegion(types);
  t.teardown(close);
  const prices = new Map<string, number>();
  const input = { ServiceCode: 'AmazonEC2', Filters: SHARED };
  for await (const page of paginateGetProducts({ client: pricing, pageSize: 100 }, input))
    for (const line of page.PriceList ?? []) {
      const { product, terms } = JSON.parse(String(line));
      const term = Object.values<{ priceDimensions: object }>(terms.OnDemand)[0];
      const dimension = Object.values<{ pricePerUnit: { USD: string } }>({ ...term?.priceDimensions })[0];
      prices.set(product.attributes.instanceType, Number(dimension?.pricePerUnit.USD));
    }
  t.equal(prices.get('m5.xlarge'), types.get('m5.xlarge')?.onDemandPrice);
  t.equal(prices.size, [...types.values()].filter((each) => !each.isBareMetal).length);
});

t.test('another service than EC2 has no prices', async (t) => {
  const { pricing, close } = await startTestRegion(types);
  t.teardown(close);
  await t.rejects(pricing.send(new GetProductsCommand({ ServiceCode: 'AmazonRDS' })), {
    name: 'NotFoundException',
  });
});

const spot = async (test: Awaited<ReturnType<typeof startTestRegion>>): Promise<Map<string, number>> => {
  const { SpotPriceHistory } = await test.ec2.send(
    new DescribeSpotPriceHistoryCommand({
      InstanceTypes: ['m5.xlarge'],
      ProductDescriptions: ['Linux/UNIX'],
      StartTime: new Date(test.clock.now),
    }),
  );
  return new Map(SpotPriceHistory?.map((each) => [String(each.AvailabilityZone), Number(each.SpotPrice)]));
};

t.test(
  'spot prices differ by zone, move with time, follow from the seed and stay below on-demand',
  async (t) => {
    const one = await startTestRegion(types, { seed: 1 });
    const same = await startTestRegion(types, { seed: 1 });
    const other = await startTestRegion(types, { seed: 2 });
    for (const each of [one, same, other]) t.teardown(each.close);
    const prices = await spot(one);
    t.equal(prices.size, 3);
    t.equal(new Set(prices.values()).size, 3);
    for (const price of prices.values())
      t.ok(price > 0 && price < (types.get('m5.xlarge')?.onDemandPrice ?? 0));
    t.strictSame(await spot(same), prices);
    t.notSame(await spot(other), prices);
    one.clock.now += 24 * 3_600_000;
    t.notSame(await spot(one), prices);
  },
);

t.test(
  'the history of a day has every change, newest first, and the price in force at its start',
  async (t) => {
    const test = await startTestRegion(types);
    t.teardown(test.close);
    const start = test.clock.now - 24 * 3_600_000;
    const times: number[] = [];
    const input = {
      InstanceTypes: ['m5.xlarge' as const],
      AvailabilityZone: 'us-west-2a',
      StartTime: new Date(start),
      EndTime: new Date(test.clock.now),
    };
    for await (const page of paginateDescribeSpotPriceHistory({ client: test.ec2, pageSize: 2 }, input))
      times.push(...(page.SpotPriceHistory ?? []).map(({ Timestamp }) => Number(Timestamp)));
    t.equal(times.length, 5);
    t.strictSame(
      times,
      [...times].sort((a, b) => b - a),
    );
    t.ok((times.at(-1) ?? 0) <= start);
  },
);

t.test('a page of all prices is given in pages of at most so many', async (t) => {
  const test = await startTestRegion(types);
  t.teardown(test.close);
  let count = 0;
  const input = { StartTime: new Date(test.clock.now) };
  for await (const page of paginateDescribeSpotPriceHistory({ client: test.ec2, pageSize: 2000 }, input))
    count += page.SpotPriceHistory?.length ?? 0;
  t.equal(
    count,
    [...types.values()].reduce((sum, { zones }) => sum + zones.length, 0),
  );
});
