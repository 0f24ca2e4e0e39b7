import t from 'tap';
import { measure, paceOf, REFERENCE_MS } from './calibrate.ts';

t.test('the pace is that of the middle run, and never below that of a quiet machine', async (t) => {
  const times = (...all: readonly number[]) => all.map((one) => one * REFERENCE_MS);
  t.equal(paceOf(times(1, 1, 1, 1, 1)), 1);
  t.equal(paceOf(times(0.5, 0.6, 0.4)), 1);
  t.equal(paceOf(times(9, 3.5, 1)), 3.5);
  t.equal(paceOf(times(20, 20, 20)), 20);
});

t.test('the work is measured a few times', async (t) => {
  const measured = measure();
  t.ok(measured.length >= 3);
  t.ok(measured.every((ms) => ms > 0));
});
