import t from 'tap';
import { ATTACKS } from './attacks.ts';
import { COMPONENTS, limitOf, runAttack } from './round.ts';

/** The short form of `make bench-doors`: every honest request is answered, and memory stays below the limit. */

const COUNT = process.env.SOAK ? 100_000 : 40;
/** One attack of each kind of harm: work, memory, reviews. */
const SHORT = [
  'webhook brackets in brackets',
  'extender unfinished bodies',
  'peers bogus tokens',
  'policies bogus tokens',
];

for (const attack of ATTACKS) {
  if (!process.env.SOAK && !SHORT.includes(`${attack.door} ${attack.what}`)) continue;
  t.test(`attack: ${COUNT} times ${attack.what} at the ${attack.door}`, async (t) => {
    const { made, rss, answers } = await runAttack(attack, { count: COUNT, idleMs: 200 });
    const limit = limitOf(COMPONENTS[attack.door]);
    t.ok(made >= COUNT);
    t.ok(answers > 0);
    t.ok(rss < limit, `${Math.round(rss)} MiB of ${limit}`);
  });
}
