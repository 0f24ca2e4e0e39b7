import t from 'tap';
import type { SlotAhead } from '../../api/pinning.ts';
import { GRANT_MS } from '../placement/allocate.ts';
import { PrefetchedSlots } from './prefetched.ts';

const slot = (uid: string): SlotAhead => ({
  uid,
  reply: { nodeName: 'node', intentId: 'pin/node', plan: 'saving', way: 'assign', reason: '' },
});

const scene = () => {
  let now = 0;
  const slots = new PrefetchedSlots(() => now);
  const advance = (ms: number): void => {
    now += ms;
  };
  return { slots, advance };
};

/** Whether a promise has settled once all that is due has run. */
const hasSettled = async (promise: Promise<void>): Promise<boolean> => {
  let isSettled = false;
  void promise.then(() => {
    isSettled = true;
  });
  await new Promise(setImmediate);
  return isSettled;
};

t.test('an owner has slots until the last one is used or returned', async (t) => {
  const { slots } = scene();
  slots.add('a', slot('1'));
  slots.add('a', slot('2'));
  slots.add('b', slot('3'));
  t.equal(slots.delete('1')?.uid, '1');
  t.ok(slots.hasAny('a'));
  slots.delete('2');
  t.notOk(slots.hasAny('a'));
  t.ok(slots.hasAny('b'));
  t.equal(slots.delete('2'), undefined, 'a slot is removed once');
});

t.test('a slot expires with its grant', async (t) => {
  const { slots, advance } = scene();
  slots.add('a', slot('1'));
  advance(GRANT_MS - 1);
  t.ok(slots.hasAny('a'));
  advance(1);
  t.notOk(slots.hasAny('a'));
  t.equal(slots.delete('1'), undefined);
});

t.test('every waiter wakes when the last slot is back, and not before', async (t) => {
  const { slots } = scene();
  slots.add('a', slot('1'));
  slots.add('a', slot('2'));
  const waiters = Promise.all([slots.untilReturned('a', 60_000), slots.untilReturned('a', 60_000)]);
  const all = waiters.then(() => {});
  slots.delete('1');
  t.notOk(await hasSettled(all));
  slots.delete('2');
  t.ok(await hasSettled(all));
});

t.test('nobody waits for an owner without slots', async (t) => {
  t.ok(await hasSettled(scene().slots.untilReturned('a', 60_000)));
});

t.test('slots that are late stop counting, but may still be returned', async (t) => {
  const { slots } = scene();
  slots.add('a', slot('1'));
  await slots.untilReturned('a', 1);
  t.notOk(slots.hasAny('a'));
  slots.add('a', slot('2'));
  t.equal(slots.delete('1')?.uid, '1');
  t.ok(slots.hasAny('a'), 'the late one is not counted twice');
});

t.test('clearing wakes all waiters', async (t) => {
  const { slots } = scene();
  slots.add('a', slot('1'));
  const waiter = slots.untilReturned('a', 60_000);
  slots.clear();
  t.ok(await hasSettled(waiter));
});
