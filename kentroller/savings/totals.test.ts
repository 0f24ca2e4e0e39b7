import fc from 'fast-check';
import t from 'tap';
import { addPlan, emptyTotals, type FinishedPlan, parseTotals, savedUntil } from './totals.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.parse('2026-11-22T12:00:00Z');
const HOURS_PER_MONTH = 730;

const saving = (uid: string, monthly: number, endedAt = START): FinishedPlan => ({ uid, monthly, endedAt });
const add = (savings: readonly FinishedPlan[]) =>
  savings.reduce((l, s) => addPlan(l, s, HOURS_PER_MONTH), emptyTotals(START));

t.test('a plan saves by the hour from its end on', async (t) => {
  const totals = add([saving('a', 730)]);
  t.equal(savedUntil(totals, START), 0);
  t.equal(Math.round(savedUntil(totals, START + 10 * HOUR)), 10);
  t.match(totals, { plans: 1, monthly: 730 });
});

t.test('a plan saves nothing after the end of the thirtieth day', async (t) => {
  const totals = add([saving('a', 730)]);
  const most = savedUntil(totals, START + 40 * DAY);
  t.equal(Math.round(most), 30 * 24 + 12);
  t.equal(savedUntil(totals, START + 400 * DAY), most);
});

t.test('a plan that is added twice counts once', async (t) => {
  const once = add([saving('a', 730)]);
  t.equal(addPlan(once, saving('a', 730), HOURS_PER_MONTH), once);
});

t.test('the totals of many plans are the sum of each, also when stored and read in between', async () => {
  const plan = fc.record({
    hours: fc.integer({ min: 0, max: 24 * 100 }),
    monthly: fc.integer({ min: -100, max: 10_000 }),
  });
  fc.assert(
    fc.property(fc.array(plan, { maxLength: 60 }), fc.integer({ min: 0, max: 24 * 200 }), (plans, later) => {
      const savings = plans
        .toSorted((a, b) => a.hours - b.hours)
        .map((p, i) => saving(`p${i}`, p.monthly, START + p.hours * HOUR));
      const now = (savings.at(-1)?.endedAt ?? START) + later * HOUR;
      const together = savings.reduce(
        (l, s) => parseTotals(JSON.stringify(addPlan(l, s, HOURS_PER_MONTH))),
        emptyTotals(START),
      );
      const apart = savings.reduce((sum, s) => sum + savedUntil(add([s]), now), 0);
      return (
        Math.abs(savedUntil(together, now) - apart) < 0.01 &&
        together.plans === savings.length &&
        together.days.length <= 32
      );
    }),
    { numRuns: 100 },
  );
});
