import t from 'tap';
import { paced, pacedSeconds, paceIn } from './pace.ts';
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
  for (const [given, pace] of cases) t.equal(paceIn({ TEST_PACE: given }), pace, `${given}`);
});

t.test('at half the pace a wait takes twice as long, and still ends', async (t) => {
  const before = process.env.TEST_PACE;
  t.teardown(() => {
    if (before === undefined) delete process.env.TEST_PACE;
    else process.env.TEST_PACE = before;
  });
  process.env.TEST_PACE = '2';
  t.equal(paced(1_500), 3_000);
  t.equal(pacedSeconds(90), '180s');
  const since = performance.now();
  await t.rejects(
    until('never', () => false, { timeoutMs: 100, everyMs: 5 }),
    /not the case after/,
  );
  t.ok(performance.now() - since >= 200);
});
