import t from 'tap';
import { type Fault, search } from './search.ts';

const isSoak = process.env.SOAK === '1';
const runs = Number(process.env.RUNS ?? (isSoak ? 100_000 : 500));
/** The short form runs the same histories each time, the long one new ones. */
const SEED = 5_007;
const seed = Number(process.env.SEED ?? (isSoak ? Date.now() % 1_000_000_000 : SEED));
const without = new Set(process.env.WITHOUT?.split(',') ?? []);

const linesOf = (fault: Fault): readonly string[] => [
  fault.message,
  `found by history ${fault.history}; SEED=${fault.seed} finds it again`,
  ...fault.story.split('\n'),
];

// Outside of the test: tap follows every promise of a test, which costs a third of the time.
const { histories, events, seconds, fault } = await search({
  seed,
  runs,
  without,
  shrinks: process.env.NOSHRINK !== '1',
});

t.test('no history of users, clouds and crashes breaks an invariant', async (t) => {
  t.comment(`${histories} histories, ${events} events, ${seconds.toFixed(1)} s, seed ${seed}`);
  for (const line of fault ? linesOf(fault) : []) t.comment(line);
  t.equal(fault?.message, undefined);
});
