import t from 'tap';
import { createLogger } from '../../../kube/component/log.ts';
import { until } from '../../../kube/testing/until.ts';
import { RefusedCall } from '../signed/call.ts';
import type { ManagedResource, ZonalShifts } from './managedresource.ts';
import { watchZonalShifts } from './watch.ts';

/** How long an autoshift counts, of which no end is known, once shifts can't be read. */

const HOUR = 3_600_000;
const AUTOSHIFT = { awayFrom: 'use1-az1', appliedStatus: 'APPLIED' };
const SHIFT = { awayFrom: 'use1-az2', appliedStatus: 'APPLIED', expiryTime: (3 * HOUR) / 1_000 };

/** A watch whose first answer is both shifts, and whose others are `next`. */
const watching = async (t: { teardown(fn: () => void): void }, next: () => ManagedResource) => {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const clock = { now: 0 };
  let asked = 0;
  const shifts = watchZonalShifts({
    clusterArn: 'arn',
    machines: () => [],
    findCluster: async () => 'arn',
    everyMs: 1,
    read: async () => {
      asked += 1;
      return asked === 1 ? { zonalShifts: [SHIFT], autoshifts: [AUTOSHIFT] } : next();
    },
    log: createLogger({ component: 'test', level: 'silent' }),
    signal: stopping.signal,
    now: () => clock.now,
  });
  await until('the second answer', () => asked > 1 || undefined, { timeoutMs: 120_000, everyMs: 1 });
  return { clock, shifts };
};
const zonesOf = ({ zones }: ZonalShifts): string[] => zones.map(({ zoneId }) => zoneId);

t.test('nobody answers: an autoshift counts an hour, a shift to its end', async (t) => {
  const { clock, shifts } = await watching(t, () => {
    throw new Error('nobody answers');
  });
  t.same(zonesOf(shifts()), ['use1-az1', 'use1-az2']);
  clock.now = HOUR - 1;
  t.same(zonesOf(shifts()), ['use1-az1', 'use1-az2']);
  clock.now = HOUR;
  t.same(zonesOf(shifts()), ['use1-az2']);
  clock.now = 3 * HOUR;
  t.same(zonesOf(shifts()), []);
});

t.test('a cluster that ARC no longer knows has no shifts', async (t) => {
  const { shifts } = await watching(t, () => {
    throw new RefusedCall('not found', 'ResourceNotFoundException');
  });
  await until('no shift', () => shifts().zones.length === 0 || undefined, { timeoutMs: 120_000, everyMs: 1 });
  t.match(shifts().unread, /not registered/);
});

t.test('an autoshift counts for as long as it is read', async (t) => {
  const { clock, shifts } = await watching(t, () => ({ zonalShifts: [], autoshifts: [AUTOSHIFT] }));
  clock.now = 10 * HOUR;
  const isBack = () => zonesOf(shifts()).join() === 'use1-az1' || undefined;
  await until('the autoshift', isBack, { timeoutMs: 120_000, everyMs: 1 });
  t.equal(shifts().unread, undefined);
});
