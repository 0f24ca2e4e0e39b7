import t from 'tap';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { refusalsLeft, unavailableFor, unavailableName } from '../rebalanceplan/create/unavailable.ts';
import { cleanupTime } from './controller.ts';

const offering = (spec: Partial<UnavailableOffering['spec']> = {}, status = {}): UnavailableOffering => ({
  metadata: { name: 'u' },
  spec: { instanceType: 'm5.large', capacityType: 'spot', reason: 'InsufficientCapacityError', ...spec },
  status,
});

t.test('each failure in a row makes an offering unavailable for longer, up to two hours', async (t) => {
  t.same(
    [1, 2, 3, 9].map((n) => unavailableFor(n) / 60_000),
    [5, 10, 20, 120],
  );
});

t.test('cleanup is at status.cleanupAfter, or a day after expiry, or never', async (t) => {
  const day = Date.parse('2026-11-22T00:00:00Z');
  t.equal(cleanupTime(offering({}, { cleanupAfter: '2026-11-22T00:00:00Z' })), day);
  t.equal(cleanupTime(offering({ expiresAt: '2026-11-21T00:00:00Z' })), day);
  t.equal(cleanupTime(offering()), undefined);
});

t.test('names are valid and tell offerings apart', async (t) => {
  const name = unavailableName(offering({ zone: 'us-west-2a' }).spec);
  t.equal(name, 'm5.large-us-west-2a-spot');
  const reserved = offering({ zone: 'us-west-2a', capacityType: 'reserved', capacityReservationId: 'cr-1' });
  t.equal(unavailableName(reserved.spec), 'm5.large-us-west-2a-reserved-cr-1');
  t.match(unavailableName(offering({ instanceType: 'Odd_Type' }).spec), /^offering-[0-9a-f]{16}$/);
});

t.test('refusals are forgotten one by one while an offering could be tried again', async (t) => {
  const expiresAt = '2026-01-01T00:00:00Z';
  const spec = {
    instanceType: 'm5.large',
    capacityType: 'spot',
    reason: 'InsufficientCapacityError',
    expiresAt,
  };
  const refused = { metadata: { name: 'a' }, spec, status: { attempts: 5 } } as UnavailableOffering;
  const after = (hours: number) => refusalsLeft(refused, Date.parse(expiresAt) + hours * 3_600_000);
  t.same([-1, 0, 1.9, 2, 4, 9.9, 10, 100].map(after), [5, 5, 5, 4, 3, 1, 0, 0]);
});
