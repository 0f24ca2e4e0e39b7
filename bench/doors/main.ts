import { machine } from '../support/bed.ts';
import { readFlags } from '../support/flags.ts';
import { formatNumber, formatRatio, type Row, tableOf } from '../support/table.ts';
import { ATTACKS } from './attacks.ts';
import { COMPONENTS, limitOf, runAttack } from './round.ts';

/** Attacks every door with 100,000 hostile requests of each kind, beside an honest caller. */

const { numbers, groups } = readFlags(process.argv.slice(2), {
  numbers: { count: 100_000, 'idle-seconds': 5 },
  groups: ['webhook', 'extender', 'peers'],
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const rows: Row[] = [];
for (const attack of ATTACKS.filter(({ door }) => groups.has(door))) {
  const limit = limitOf(COMPONENTS[attack.door]);
  const outcome = await runAttack(attack, { count: numbers.count, idleMs: numbers['idle-seconds'] * 1000 });
  const ratio = outcome.p99 / outcome.idleP99;
  const row: Row = {
    what: `${attack.door}, ${attack.what}: honest p99 in ms, RSS of ${Math.round(outcome.rss)} MiB`,
    ours: formatNumber(outcome.p99),
    peer: `${formatNumber(outcome.idleP99)} idle`,
    ratio: formatRatio(ratio),
    reach: `≤ 2 ×, < ${limit} MiB`,
    isMet: ratio <= 2 && outcome.rss < limit,
  };
  rows.push(row);
  print(
    `${row.what}: ${row.ours} (${row.peer}, ${row.ratio}); ${outcome.made} requests in ${Math.round(outcome.seconds)} s, ${outcome.answers} honest answers`,
  );
}
print(`\n${machine()}\n${tableOf(rows)}`);
