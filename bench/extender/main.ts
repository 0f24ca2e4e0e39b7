import { machine, makeBed } from '../support/bed.ts';
import { readFlags } from '../support/flags.ts';
import { startPinner } from '../support/pinner.ts';
import { type Row, tableOf } from '../support/table.ts';
import { bindRows } from './bind.ts';
import { buildGoEcho } from './goecho.ts';
import { latencyRows } from './latency.ts';
import { streamRows } from './stream.ts';
import { throughputRows } from './throughput.ts';
import { verbRows } from './verbs.ts';

/** Compares extender/ with kube-scheduler, a Go extender that only echoes, and a bare grpc-js client. */

const { numbers, groups } = readFlags(process.argv.slice(2), {
  numbers: {
    pods: 2000,
    nodes: 100,
    rounds: 2,
    samples: 100,
    intents: 5000,
    pairs: 100,
    'verb-nodes': 5000,
    'scheduler-pods': 500,
    'few-nodes': 500,
    'many-nodes': 5000,
  },
  groups: ['verbs', 'stream', 'bind', 'latency', 'few', 'many'],
});
const { rounds } = numbers;
const ON_CLUSTER = ['latency', 'bind', 'few', 'many'] as const;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const rows: Row[] = [];
const note = (more: readonly Row[]): void => {
  rows.push(...more);
  for (const { what, ours, peer, ratio } of more) print(`${what}: ${ours} (${peer}, ${ratio})`);
};

const onCluster = async (): Promise<void> => {
  const bed = await makeBed('bench-extender');
  try {
    const pinner = await startPinner(bed, await bed.namespace('ours'));
    try {
      if (groups.has('latency')) note(await latencyRows(bed, pinner, numbers));
      if (groups.has('bind')) note(await bindRows(bed, pinner, numbers));
      for (const size of ['few', 'many'] as const) {
        const o = { nodes: numbers[`${size}-nodes`], rounds, pods: numbers['scheduler-pods'] };
        if (groups.has(size)) note(await throughputRows(bed, pinner, echo, o));
      }
    } finally {
      await pinner.stop();
    }
  } finally {
    await bed.close();
  }
};

const echo = buildGoEcho();
try {
  if (groups.has('verbs'))
    note(await verbRows(echo, { nodes: numbers['verb-nodes'], pairs: numbers.pairs, rounds: rounds + 1 }));
  if (groups.has('stream')) note(await streamRows({ intents: numbers.intents, rounds: rounds + 1 }));
  if (ON_CLUSTER.some((group) => groups.has(group))) await onCluster();
} finally {
  echo.remove();
  print(`\n${machine()}\n${tableOf(rows)}`);
}
