import t from 'tap';
import type { Sample } from './meter.ts';
import { courseOf, isSettled, lastChange, leastEvictions, outcomeOf } from './outcome.ts';

const sample = (seconds: number, cost: number, o: Partial<Sample> = {}): Sample => ({
  at: seconds * 1000,
  cost,
  nodes: 1,
  pending: 0,
  evicted: 0,
  ...o,
});

const COURSE = [
  sample(0, 10),
  sample(60, 10, { pending: 2, evicted: 2 }),
  sample(120, 12, { evicted: 4 }),
  sample(180, 6, { evicted: 8 }),
  sample(300, 6, { evicted: 8 }),
];

t.test('what came out: money saved, time to the last change, evictions a dollar', async (t) => {
  t.match(outcomeOf(COURSE, 300_000), {
    before: 10,
    after: 6,
    minutes: 3,
    evicted: 8,
    evictedPerDollar: 2,
    mostPending: 2,
    pendingSeconds: 120,
  });
});

t.test('what was spent counts on to the horizon at the final cost', async (t) => {
  const until300 = (10 * 120 + 12 * 60 + 6 * 120) / 3600;
  t.equal(outcomeOf(COURSE, 300_000).spent.toFixed(6), until300.toFixed(6));
  t.equal(outcomeOf(COURSE, 900_000).spent.toFixed(6), (until300 + (6 * 600) / 3600).toFixed(6));
});

t.test('a cluster whose cost never changed changed at no time and saved nothing', async (t) => {
  const same = [sample(0, 5), sample(30, 5)];
  t.equal(lastChange(same), 0);
  t.equal(outcomeOf(same, 30_000).evictedPerDollar, Number.POSITIVE_INFINITY);
});

t.test('settled is quiet for long enough with no pod waiting', async (t) => {
  t.ok(isSettled(COURSE, 120_000));
  t.notOk(isSettled(COURSE, 121_000));
  t.notOk(isSettled([...COURSE, sample(400, 6, { pending: 1 })], 120_000));
  t.notOk(isSettled([], 1));
});

t.test('savings need at least the pods of the emptiest machines for their price', async (t) => {
  const machines = [
    { price: 1, pods: 10 },
    { price: 2, pods: 4 },
    { price: 1, pods: 0 },
  ];
  t.equal(leastEvictions(machines, 1), 0);
  t.equal(leastEvictions(machines, 2), 2);
  t.equal(leastEvictions(machines, 3.05), 5);
  t.equal(leastEvictions(machines, 0), 0);
});

t.test('the course shows its last moment, whatever the step', async (t) => {
  t.match(courseOf(COURSE, 150_000).split('\n'), [/^ {4}0 s/, /^ {2}180 s/, /^ {2}300 s/]);
});
