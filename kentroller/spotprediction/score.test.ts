import t from 'tap';
import { type PredictionOutcome, Scoreboard, type ScoredMachine, summaryOf } from './score.ts';

const MINUTE = 60_000;

const board = () => {
  const outcomes: PredictionOutcome[] = [];
  const leads: number[] = [];
  const scores = new Scoreboard({
    outcome: (_, outcome) => void outcomes.push(outcome),
    lead: (_, seconds) => void leads.push(seconds),
  });
  const machine = (id: string, probability: number, interruptedAt?: number): ScoredMachine => ({
    id,
    predictions: [{ node: id, model: 'm', probability }],
    interruptedAt,
  });
  /** One cycle at a minute. */
  const at = (minute: number, ...machines: ScoredMachine[]): void =>
    scores.observe(machines, 0.5, minute * MINUTE);
  const summary = () =>
    summaryOf(scores.scores().get('m') ?? { hits: 0, falseAlarms: 0, missed: 0, squares: 0, windows: 0 });
  return { outcomes, leads, machine, at, summary };
};

t.test('an alert before an interruption is a hit, with its lead', async (t) => {
  const { at, machine, outcomes, leads, summary } = board();
  at(0, machine('a', 0.2));
  at(1, machine('a', 0.8));
  at(11, machine('a', 0.99, 10.5 * MINUTE));
  at(12, machine('a', 0.99, 10.5 * MINUTE));
  t.same([outcomes, leads], [['hit'], [570]], 'counted once');
  t.match(summary(), { precision: 1, recall: 1 });
  t.equal(summary().brier?.toFixed(4), '0.6400', 'by what was said at the start of the window');
});

t.test('an alert that nothing comes after is a false alarm when the horizon is over', async (t) => {
  const { at, machine, outcomes, summary } = board();
  at(0, machine('a', 0.8));
  at(10, machine('a', 0.1));
  at(29, machine('a', 0.1));
  t.same(outcomes, []);
  at(30, machine('a', 0.1));
  t.same(outcomes, ['false-alarm']);
  t.same(summary(), { precision: 0, brier: 0.8 ** 2 });
});

t.test('an interruption without an alert is missed, and the notice itself is no alert', async (t) => {
  const { at, machine, outcomes, leads } = board();
  at(0, machine('a', 0.1));
  at(5, machine('a', 0.99, 5 * MINUTE));
  t.same([outcomes, leads], [['missed'], []]);
});

t.test('a machine that was never seen before is missed', async (t) => {
  const { at, machine, outcomes } = board();
  at(5, machine('a', 0.99, 5 * MINUTE));
  t.same(outcomes, ['missed']);
});

t.test('a machine that is replaced judges nobody', async (t) => {
  const { at, machine, outcomes, summary } = board();
  at(0, machine('a', 0.9), machine('b', 0.1));
  at(5);
  t.same(outcomes, ['gone']);
  t.same(summary(), {});
});

t.test('windows of half an hour are judged one after the other, by probability', async (t) => {
  const { at, machine, summary } = board();
  for (let minute = 0; minute <= 90; minute += 1) at(minute, machine('a', 0.1));
  t.equal(summary().brier?.toFixed(4), '0.0100');
});
