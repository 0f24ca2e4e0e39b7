import t from 'tap';
import { type Fault, search } from './search.ts';

const SOAK = process.env.SOAK === '1';
const RUNS = Number(process.env.RUNS ?? (SOAK ? 100_000 : 500));
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
const WITHOUT = new Set((process.env.WITHOUT ?? '').split(',').filter(Boolean));

const tell = (fault: Fault): string =>
  `${fault.message}\nfound by history ${fault.history}; again with SEED=${fault.seed}\n${fault.story}`;

// Outside of the test: tap follows every promise of a test, which costs a third of the time.
const { histories, events, seconds, fault } = await search({
  seed: SEED,
  runs: RUNS,
  without: WITHOUT,
  shrinks: process.env.NOSHRINK !== '1',
});

t.test('no history of users, clouds and crashes breaks an invariant', async (t) => {
  t.comment(`${histories} histories, ${events} events, ${seconds.toFixed(1)} s, seed ${SEED}`);
  if (fault) for (const line of tell(fault).split('\n')) t.comment(line);
  t.equal(fault?.message, undefined);
});
