import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Deadline, paced, pacedSeconds, paceIn } from './pace.ts';
import { until } from './until.ts';

t.test('a pace is what the environment says, within bounds', async (t) => {
  const cases: readonly (readonly [string | undefined, number])[] = [
    [undefined, 1],
    ['', 1],
    ['0.3', 1],
    ['2.5', 2.5],
    ['400', 10],
    ['fast', 1],
  ];
  for (const [given, pace] of cases) t.equal(paceIn({ TEST_PACE: given }, 0), pace, `${given}`);
});

t.test('a machine that has become busy since the measurement is slower than it said', async (t) => {
  t.equal(paceIn({ TEST_PACE: '1.4' }, 6), 6);
  t.equal(paceIn({ TEST_PACE: '8' }, 6), 8);
  t.equal(paceIn({}, 43), 10);
});

// The pace of a run, as of a process of its own.
const withPace = (t: Test, pace: string): void => {
  const before = process.env.TEST_PACE;
  t.teardown(() => {
    if (before === undefined) delete process.env.TEST_PACE;
    else process.env.TEST_PACE = before;
  });
  process.env.TEST_PACE = pace;
};

t.test('a deadline grows with the load while it is waited for, and never shrinks', async (t) => {
  withPace(t, '1');
  const deadline = new Deadline(20);
  t.equal(deadline.within(1), 20);
  t.equal(deadline.within(4), 80);
  t.equal(deadline.within(1), 80);
  t.notOk(new Deadline(60_000).isOver(1));
  await delay(100);
  t.ok(deadline.isOver(1));
});

t.test('at half the pace a wait takes twice as long, and still ends', async (t) => {
  withPace(t, '2');
  t.equal(paced(1_500, 0), 3_000);
  t.equal(pacedSeconds(90, 0), '180s');
  const since = performance.now();
  await t.rejects(
    until('never', () => false, { timeoutMs: 100, everyMs: 5 }),
    /not the case after/,
  );
  t.ok(performance.now() - since >= 200);
});
