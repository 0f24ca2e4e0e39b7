import { machine } from '../support/bed.ts';
import { readFlags } from '../support/flags.ts';
import { formatNumber, formatRatio, type Row, tableOf } from '../support/table.ts';
import { ATTACKS, nameOf } from './attacks.ts';
import { COMPONENTS, limitOf, runAttack } from './round.ts';

/** Attacks every door with 100,000 hostile requests of each kind, beside an honest caller. */

const { numbers, groups, switches } = readFlags(process.argv.slice(2), {
  numbers: { count: 100_000, 'control-count': 10_000, 'idle-seconds': 30 },
  groups: [...new Set(ATTACKS.map(({ door }) => door)), ...ATTACKS.map(nameOf)],
  switches: ['realtime'],
});

// What is started here ends as this process exits, and a signal alone would not let it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const rows: Row[] = [];
const idleMs = numbers['idle-seconds'] * 1000;
const isRealtime = switches.has('realtime');
for (const attack of ATTACKS.filter((each) => groups.has(each.door) || groups.has(nameOf(each)))) {
  const limit = limitOf(COMPONENTS[attack.door]);
  const outcome = await runAttack(attack, { count: numbers.count, idleMs, isRealtime });
  // The same load on the machine, and none on the door that is asked.
  const control = await runAttack(attack, {
    count: Math.min(numbers['control-count'], numbers.count),
    idleMs,
    isRealtime,
    isBeside: true,
  });
  const ratio = outcome.p99 / outcome.idleP99;
  const row: Row = {
    what: `${attack.door}, ${attack.what}: honest p99 in ms, RSS of ${Math.round(outcome.rss)} MiB`,
    ours: formatNumber(outcome.p99),
    peer: `${formatNumber(outcome.idleP99)} idle, ${formatNumber(control.p99)} another door attacked`,
    ratio: formatRatio(ratio),
    reach: `≤ 2 ×, < ${limit} MiB`,
    isMet: ratio <= 2 && outcome.rss < limit,
  };
  rows.push(row);
  print(
    `${row.what}: ${row.ours} (${row.peer}, ${row.ratio}); ${outcome.made} requests in ${Math.round(outcome.seconds)} s, ` +
      `${outcome.answers} honest answers, ${((outcome.cpuSeconds * 1000) / outcome.made).toFixed(3)} CPU ms of the server a request; ` +
      `control: ${formatNumber(control.idleP99)} idle, ${formatRatio(control.p99 / control.idleP99)}`,
  );
}
print(`\n${machine()}\n${tableOf(rows)}`);
