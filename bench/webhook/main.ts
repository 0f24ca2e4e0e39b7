import { machine, makeBed } from '../support/bed.ts';
import { readFlags } from '../support/flags.ts';
import { type Row, tableOf } from '../support/table.ts';
import { crowdRows, idleRows, paceRows } from './creation.ts';
import { reviewRows } from './reviews.ts';
import { openScene } from './scene.ts';
import { softRows } from './soft.ts';

/** Compares webhook/ with a bare fastify webhook that only echoes, with none, and with the admission policy of soft pins. */

const { numbers, groups } = readFlags(process.argv.slice(2), {
  numbers: { rate: 200, seconds: 4, rounds: 2, creators: 100, pods: 1000, 'review-seconds': 3 },
  groups: ['pace', 'soft', 'crowd', 'reviews', 'idle'],
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const rows: Row[] = [];
const note = (more: readonly Row[]): void => {
  rows.push(...more);
  for (const { what, ours, peer, ratio } of more) print(`${what}: ${ours} (${peer} ${ratio})`);
};

const bed = await makeBed('bench-webhook');
try {
  const scene = await openScene(bed);
  try {
    if (groups.has('pace')) note(await paceRows(scene, numbers));
    if (groups.has('soft')) note(await softRows(scene, numbers));
    if (groups.has('crowd')) note(await crowdRows(scene, numbers));
    if (groups.has('reviews'))
      note(await reviewRows(scene, { seconds: numbers['review-seconds'], rounds: numbers.rounds }));
    if (groups.has('idle')) note(await idleRows(scene, numbers));
  } finally {
    await scene.close();
  }
} finally {
  await bed.close();
  print(`\n${machine()}\n${tableOf(rows)}`);
}
