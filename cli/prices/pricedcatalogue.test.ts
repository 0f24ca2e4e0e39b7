import t from 'tap';
import type { Node } from '../../api/objects.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { emptySnapshot, type Snapshot } from '../../planner/model/snapshot.ts';
import { parseFlags } from '../flags.ts';
import { priceCatalogue, type ReadLive } from './pricedcatalogue.ts';

/** Prices without a file: from AWS where it answers, else from the table, and what is not known is said. */

const node = (name: string, type: string, capacityType = 'on-demand'): Node => ({
  metadata: {
    name,
    labels: {
      'topology.kubernetes.io/region': 'us-west-2',
      'topology.kubernetes.io/zone': 'us-west-2a',
      'node.kubernetes.io/instance-type': type,
      'karpenter.sh/capacity-type': capacityType,
    },
  },
  spec: {},
});
const cluster = (...nodes: readonly Node[]): Snapshot => ({ ...emptySnapshot, nodes: [...nodes] });
const flags = (...argv: readonly string[]) =>
  parseFlags(argv, new Set(['catalog', 'prices', 'region']), new Set());
const NOTHING_OWNED = { savingsPlans: [], reserved: [] };
const asking = (readLive: ReadLive, share?: number) => ({ readLive, share });
const nobody = asking(async () => undefined);
const live: Catalogue = {
  instanceTypes: [
    {
      name: 'm5.large',
      arch: 'amd64',
      os: ['linux'],
      labels: {},
      capacity: { cpu: 2000, memory: 8 * 2 ** 30, pods: 29, ephemeralStorage: 0, other: {} },
      overhead: { cpu: 0, memory: 0, pods: 0, ephemeralStorage: 0, other: {} },
      offerings: [{ zone: 'us-west-2a', capacityType: 'on-demand', price: 0.1, available: true }],
    },
  ],
};

t.test('without credentials list prices are used, with their date, and it is said', async (t) => {
  const { catalogue, prices } = await priceCatalogue(flags(), cluster(node('a', 'm5.large')), nobody);
  t.match(prices, {
    source: 'table',
    region: 'us-west-2',
    summary: /^list prices of us-west-2 of \d{4}-\d\d-\d\d, /,
  });
  t.match(prices.gaps[0], /^There are no AWS credentials: /);
  t.ok(catalogue.instanceTypes.length > 500);
});

t.test('spot prices of the table are called old where nodes are on spot', async (t) => {
  const { prices } = await priceCatalogue(flags(), cluster(node('a', 'm5.large', 'spot')), nobody);
  t.ok(prices.gaps.some((gap) => /^Spot prices are means of \d{4}-\d\d-\d\d/.test(gap)));
});

t.test('with credentials prices are those of now', async (t) => {
  const asked: string[] = [];
  const { catalogue, prices } = await priceCatalogue(
    flags(),
    cluster(node('a', 'm5.large')),
    asking(async (region) => {
      asked.push(region);
      return { catalogue: live, owned: NOTHING_OWNED };
    }),
  );
  t.strictSame([asked, catalogue, prices.source, prices.gaps], [['us-west-2'], live, 'aws', []]);
});

t.test('an answer that is refused is told, and list prices take its place', async (t) => {
  const refuse = asking(async () => {
    throw new Error('UnauthorizedOperation');
  });
  const { prices } = await priceCatalogue(flags(), cluster(node('a', 'm5.large')), refuse);
  t.equal(prices.source, 'table');
  t.match(prices.gaps[0], /^AWS did not tell its prices \(UnauthorizedOperation\): /);
  await t.rejects(priceCatalogue(flags('--prices', 'aws'), cluster(node('a', 'm5.large')), refuse), {
    message: /UnauthorizedOperation\): set them up, or leave --prices out/,
  });
});

t.test('--prices table asks nobody', async (t) => {
  const { prices } = await priceCatalogue(
    flags('--prices', 'table'),
    cluster(node('a', 'm5.large')),
    asking(() => t.fail('AWS was asked') as never),
  );
  t.equal(prices.source, 'table');
});

t.test('types without a price are named, with what to do', async (t) => {
  const { prices } = await priceCatalogue(
    flags(),
    cluster(node('a', 'm99.large'), node('b', 'm5.large')),
    nobody,
  );
  t.match(
    prices.gaps.at(-1),
    /^No price is known for nodes of m99\.large, which count in no sum: give a file/,
  );
});

t.test('a region that the table lacks is an error that says which it has', async (t) => {
  await t.rejects(priceCatalogue(flags('--region', 'mars-north-1'), cluster(), nobody), {
    name: 'UsageError',
    message: /no prices of region 'mars-north-1' .*us-west-2.*--catalog/,
  });
});

const owned = {
  savingsPlans: [{ id: 'sp', hourly: 0.5, rates: new Map([['m5.large', 0.06]]) }],
  reserved: [{ id: 'ri', instanceType: 'm5.large', count: 2, hourly: 0.05 }],
};
const withOwned = async (share?: number) =>
  priceCatalogue(
    flags(),
    cluster(node('a', 'm5.large')),
    asking(async () => ({ catalogue: live, owned }), share),
  );

t.test(
  'Savings Plans and Reserved Instances are counted, with their fee and whose they may be',
  async (t) => {
    const { catalogue, prices } = await withOwned();
    t.equal(
      prices.summary,
      'prices of now in us-west-2, from EC2 and its price list, with 1 Savings Plan and 2 Reserved Instances of the account, whose 438.00 USD a month are paid whatever runs and are in no sum',
    );
    t.match(prices.gaps, [/^What else of the account uses .* say its part in percent by --commitments\.$/]);
    t.equal(catalogue.instanceTypes[0]?.offerings[0]?.covered?.price, 0);
  },
);

t.test('a part of the commitments is said by the user, who is asked no more', async (t) => {
  const { catalogue, prices } = await withOwned(50);
  t.match(prices.summary, /with 50 % of 1 Savings Plan and .* whose 219\.00 USD/);
  t.same(prices.gaps, []);
  t.same(catalogue.commitments, [
    { unit: 'instances', amount: 4 },
    { unit: 'hourly', amount: 0.25 },
  ]);
  const without = await withOwned(0);
  t.same(without.catalogue, live);
  t.same(without.prices.gaps, []);
});

t.test('commitments that may not be read are told, with the rights that they need', async (t) => {
  const { catalogue, prices } = await priceCatalogue(
    flags(),
    cluster(node('a', 'm5.large')),
    asking(async () => ({ catalogue: live, owned: { unread: 'AccessDenied' } })),
  );
  t.same(catalogue, live);
  t.match(prices.gaps, [
    /^Savings Plans and Reserved Instances could not be read \(AccessDenied\): .*savingsplans:DescribeSavingsPlans/,
  ]);
});

t.test(
  'a zone that is shifted away is none to buy in, by its id on nodes, and shifts that are unread are told',
  async (t) => {
    const one = node('a', 'm5.large');
    const labels = { ...one.metadata.labels, 'topology.k8s.aws/zone-id': 'usw2-az1' };
    const named = {
      ...one,
      metadata: { ...one.metadata, labels },
      spec: { providerID: 'aws:///us-west-2a/i-1' },
    };
    const asked: (readonly string[])[] = [];
    const until = Date.parse('2026-12-01T10:00:00Z');
    const { catalogue, prices } = await priceCatalogue(
      flags(),
      cluster(named),
      asking(async (_, machines) => {
        asked.push(machines);
        const zonalShifts = { zones: [{ zoneId: 'usw2-az1', until }] };
        return { catalogue: live, owned: NOTHING_OWNED, zonalShifts };
      }),
    );
    t.strictSame(asked, [['aws:///us-west-2a/i-1']]);
    t.match(catalogue, {
      shiftedZones: [{ zone: 'us-west-2a', zoneId: 'usw2-az1', until }],
      instanceTypes: [{ offerings: [{ available: false, price: 0.1 }] }],
    });
    t.same(prices.gaps, []);
    const gapsOf = async (told: { readonly unread: string; readonly lacks?: string }) => {
      const zonalShifts = { zones: [], ...told };
      const unread = asking(async () => ({ catalogue: live, owned: NOTHING_OWNED, zonalShifts }));
      return (await priceCatalogue(flags(), cluster(named), unread)).prices.gaps;
    };
    t.match(await gapsOf({ unread: 'the right is missing', lacks: 'ec2:DescribeInstances' }), [
      /^Zonal shifts could not be read \(the right is missing\).*: allow ec2:DescribeInstances\.$/,
    ]);
    const [gap] = await gapsOf({ unread: 'ThrottlingException' });
    t.match(
      gap,
      /^Zonal shifts could not be read \(ThrottlingException\).*: run it again once AWS answers\.$/,
    );
    t.notMatch(gap, 'allow', 'no right is missing');
  },
);
