import t from 'tap';
import { createAwsCloud } from '../../../cloud/aws/awscloud.ts';
import { sdkReader } from '../../../cloud/aws/sdkreader.ts';
import { createLogger } from '../../../kube/component/log.ts';
import { until } from '../../../kube/testing/until.ts';
import type { Catalogue, Offering } from '../../../planner/model/catalogue.ts';
import { readTypes, startTestRegion } from './testing/testregion.ts';

/** What our reader makes of an account's capacity reservations, and when. */

const SOON = { timeoutMs: 60_000, everyMs: 20 };
const types = await readTypes();
const BLOCK = { id: 'cr-block', instanceType: 'm5.large', zone: 'us-west-2b', isBlock: true } as const;

const reservedIn = ({ instanceTypes }: Catalogue, name: string): readonly Offering[] =>
  instanceTypes.find((type) => type.name === name)?.offerings.filter(({ reservation }) => reservation) ?? [];

t.test('reservations are offerings of their own while somebody uses them', async (t) => {
  const test = await startTestRegion(types);
  const stopping = new AbortController();
  t.teardown(async () => {
    stopping.abort();
    await test.close();
  });
  const { ec2, pricing, region } = test;
  const one = { instanceType: 'm5.xlarge', zone: 'us-west-2a', state: 'active', total: 4 } as const;
  region.commitments.capacity = [
    { ...one, id: 'cr-1', available: 3 },
    { ...one, id: 'cr-2', available: 0, interruptible: true },
    { ...one, id: 'cr-over', available: 4, state: 'expired' },
    { ...BLOCK, state: 'active', total: 1, available: 1 },
  ];
  let isUsed = false;
  const cloud = createAwsCloud({
    region: 'us-west-2',
    reader: sdkReader({ region: 'us-west-2', vmMemoryOverhead: 0.075, ec2, pricing }),
    pricesEveryMs: 3_600_000,
    spotEveryMs: 3_600_000,
    reservationsEveryMs: 20,
    usesReservations: () => isUsed,
    log: createLogger({ component: 'reservations-test', level: 'silent' }),
    signal: stopping.signal,
    now: () => test.clock.now,
  });
  const catalogue = await until('a catalogue', () => cloud.catalogue(), SOON);
  t.same(reservedIn(catalogue, 'm5.xlarge'), [], 'nobody uses them');

  isUsed = true;
  const found = await until(
    'reservations',
    async () => {
      const all = reservedIn(await cloud.catalogue(), 'm5.xlarge');
      return all.length > 0 ? all : undefined;
    },
    SOON,
  );
  const price = (types.get('m5.xlarge')?.onDemandPrice ?? 0) / 10_000_000;
  t.match(found, [
    {
      zone: 'us-west-2a',
      zoneId: String,
      capacityType: 'reserved',
      price,
      available: true,
      reservation: { id: 'cr-1', type: 'default', interruptible: false, left: 3, readAt: test.clock.now },
    },
    { available: false, reservation: { id: 'cr-2', interruptible: true, left: 0 } },
  ]);
  t.equal(found.length, 2, 'without the one that is over');
  t.match(reservedIn(await cloud.catalogue(), 'm5.large'), [
    { zone: 'us-west-2b', reservation: { id: 'cr-block', type: 'capacity-block' } },
  ]);

  // Without the right, what was read stays for five minutes.
  region.faults.set({
    refuse: [{ action: 'DescribeCapacityReservations', reason: 'denied', times: 100_000 }],
  });
  await until('a refused call', () => (region.faults.read().refuse[0]?.times ?? 0) < 99_999, SOON);
  t.equal(reservedIn(await cloud.catalogue(), 'm5.xlarge').length, 2);
  test.clock.now += 6 * 60_000;
  await until('none', async () => reservedIn(await cloud.catalogue(), 'm5.xlarge').length === 0, SOON);
  t.ok((await cloud.catalogue()).instanceTypes.length > 500, 'all else is sold as before');
  region.faults.set({ refuse: [] });
  await until('all', async () => reservedIn(await cloud.catalogue(), 'm5.xlarge').length === 2, SOON);

  isUsed = false;
  await until('none', async () => reservedIn(await cloud.catalogue(), 'm5.xlarge').length === 0, SOON);
});
