import t from 'tap';
import { createLogger, type Logger } from '../../../kube/component/log.ts';
import { until } from '../../../kube/testing/until.ts';
import { RefusedCall } from '../signed/call.ts';
import { MACHINES_CALL, type ManagedResource, type ZonalShifts } from './managedresource.ts';
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
const fail = (error: Error = new Error('not in this test')): never => {
  throw error;
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

t.test('the right that is missing is named where one is, and none elsewhere', async (t) => {
  const denied = (name: string): Error => Object.assign(new Error('You are not authorized'), { name });
  const cases: readonly (readonly [what: string, find: () => string, read: () => never, right: unknown])[] = [
    ['machines', () => fail(denied('UnauthorizedOperation')), () => fail(), MACHINES_CALL],
    [
      'shifts',
      () => 'arn',
      () => fail(new RefusedCall('no', 'AccessDeniedException')),
      'arc-zonal-shift:GetManagedResource',
    ],
    ['machines, throttled', () => fail(denied('RequestLimitExceeded')), () => fail(), undefined],
    ['shifts, throttled', () => 'arn', () => fail(new RefusedCall('no', 'ThrottlingException')), undefined],
    ['credentials', () => 'arn', () => fail(denied('AccessDenied')), undefined],
  ];
  for (const [what, find, read, right] of cases) {
    const stopping = new AbortController();
    const said: { readonly right?: string }[] = [];
    watchZonalShifts({
      machines: () => [],
      findCluster: async () => find(),
      everyMs: 1,
      read: async () => read(),
      log: { warn: (fields: object) => said.push(fields) } as unknown as Logger,
      signal: stopping.signal,
      now: () => 0,
    });
    await until(`a warning of ${what}`, () => said.length > 0 || undefined, {
      timeoutMs: 120_000,
      everyMs: 1,
    });
    stopping.abort();
    t.equal(said[0]?.right, right, what);
  }
});

t.test('an autoshift counts for as long as it is read', async (t) => {
  const { clock, shifts } = await watching(t, () => ({ zonalShifts: [], autoshifts: [AUTOSHIFT] }));
  clock.now = 10 * HOUR;
  const isBack = () => zonesOf(shifts()).join() === 'use1-az1' || undefined;
  await until('the autoshift', isBack, { timeoutMs: 120_000, everyMs: 1 });
  t.equal(shifts().unread, undefined);
});
