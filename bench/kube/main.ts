import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { NODES, PODS } from '../../api/resources.ts';
import { type Ground, up } from '../../e2e/ground/ground.ts';
import { NODE_FLAGS } from '../../e2e/ground/image/image.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { idleRows } from './idle.ts';
import { type KarpenterResult, stopKarpenter } from './karpenter.ts';
import type { Said } from './measure.ts';
import { queueRate } from './queue.ts';
import { Subject } from './subject.ts';

const ETCD = 'http://127.0.0.1:2379';
const SETTLE_MS = 10_000;

interface Result {
  readonly synced?: Extract<Said, { kind: 'synced' }>;
  readonly settled?: Extract<Said, { kind: 'settled' }>;
  readonly updated?: Extract<Said, { kind: 'updated' }>;
  readonly failure?: string;
}

const note = (text: string): void => void process.stderr.write(`${text}\n`);
const script = (name: string): string => join(import.meta.dirname, name);
const inside = (ground: Ground, name: string, args: readonly (string | number)[]): Promise<string> =>
  ground.exec([process.execPath, script(name), ETCD, ...args.map(String)]);

/** Waits until the API server shows as many objects as were written into etcd. */
const untilServed = async (ground: Ground, pods: number, nodes: number): Promise<void> => {
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'bench' });
  interface Counted {
    readonly metadata: { readonly remainingItemCount?: number };
  }
  const count = async (plural: string): Promise<number> => {
    const page = await client.request<Counted>('GET', `/api/v1/${plural}`, {
      query: { limit: '1' },
    });
    return 1 + (page.metadata.remainingItemCount ?? 0);
  };
  for (;;) {
    if ((await count(PODS.plural)) >= pods && (await count(NODES.plural)) >= nodes) break;
    await sleep(500);
  }
  client.close();
};

/**
 * The API server takes long to read what was written into etcd past it, and the first reader to list waits for that. A
 * reader that is not measured goes first; returns its seconds.
 */
const untilTakenIn = async (ground: Ground): Promise<number> => {
  const since = performance.now();
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'bench' });
  const log = createLogger({ component: 'bench', level: 'silent' });
  const stopping = new AbortController();
  const cache = createCache({ client, resource: PODS, log });
  cache.start(stopping.signal);
  await cache.synced();
  stopping.abort();
  client.close();
  return (performance.now() - since) / 1000;
};

const measure = async (
  name: 'ours' | 'peer',
  ground: Ground,
  update: (() => Promise<void>) | undefined,
): Promise<Result> => {
  const subject = new Subject(name, ground.kubeconfig, name === 'ours' ? NODE_FLAGS : []);
  try {
    const synced = await subject.hear('synced');
    if (synced.kind === 'failed') return { failure: synced.reason };
    await sleep(SETTLE_MS);
    subject.tell('settle');
    const settled = await subject.hear('settled');
    if (settled.kind === 'failed') return { synced, failure: settled.reason };
    if (!update) return { synced, settled };
    subject.tell('update');
    await update();
    await sleep(2000);
    subject.tell('report');
    const updated = await subject.hear('updated');
    return updated.kind === 'failed'
      ? { synced, settled, failure: updated.reason }
      : { synced, settled, updated };
  } finally {
    await subject.end();
  }
};

const fixed = (n: number | undefined, digits = 0): string => (n === undefined ? '-' : n.toFixed(digits));
const ratio = (a: number | undefined, b: number | undefined): string =>
  a === undefined || b === undefined ? '-' : `${(a / b).toFixed(2)}×`;

const printTable = (rows: readonly (readonly string[])[]): void => {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0))) ?? [];
  for (const [i, row] of rows.entries()) {
    process.stdout.write(`| ${row.map((cell, c) => cell.padEnd(widths[c] ?? 0)).join(' | ')} |\n`);
    if (i === 0) process.stdout.write(`|${widths.map((w) => '-'.repeat(w + 2)).join('|')}|\n`);
  }
};

const rowsOf = (
  size: number,
  ours: Result,
  peer: Result,
  karpenter: KarpenterResult | undefined,
): string[][] => {
  const theirs = peer.failure ?? '';
  const cell = (n: number | undefined, digits: number): string =>
    n === undefined && theirs ? theirs : fixed(n, digits);
  const row = (
    what: string,
    reach: string,
    pick: (r: Result) => number | undefined,
    other?: number,
    digits = 0,
  ): string[] => [
    `${what}, ${size / 1000}k pods`,
    fixed(pick(ours), digits),
    cell(pick(peer), digits),
    ratio(pick(ours), pick(peer)),
    fixed(other, digits),
    ratio(pick(ours), other),
    reach,
  ];
  return [
    row('RSS, MB', '≤ 400', (r) => r.settled?.rssMB, karpenter?.rssMB),
    row('RSS at most, MB', '', (r) => r.synced?.peakMB, karpenter?.peakMB),
    row('first sync, s', '≤ 30', (r) => r.synced?.seconds, karpenter?.seconds, 1),
    row('CPU idle, %', '≤ 1', (r) => r.settled?.cpuPercent, karpenter?.cpuPercent, 1),
    ...(ours.updated
      ? [
          row('event to cache p99, ms', '≤ 100', (r) => r.updated?.p99, undefined, 1),
          row('event to cache p50, ms', '', (r) => r.updated?.p50, undefined, 1),
          row('event-loop stall p99, ms', '≤ 50', (r) => r.updated?.stallP99, undefined, 1),
          row('CPU at that rate, %', '', (r) => r.updated?.cpuPercent, undefined, 1),
          row('events seen', '', (r) => r.updated?.events),
        ]
      : []),
  ];
};

const growth = async (values: {
  readonly sizes: string;
  readonly nodes: string;
  readonly rate: string;
  readonly seconds: string;
  readonly karpenter: boolean;
  readonly 'karpenter-pods': string;
}): Promise<string[][]> => {
  const sizes = values.sizes.split(',').map(Number);
  const nodes = Number(values.nodes);
  const rows: string[][] = [['what', 'ours', 'client-node', 'ratio', 'Karpenter', 'ratio', 'reach']];
  note('bringing up a ground');
  const ground = await up({ name: 'bench-kube', cloud: values.karpenter, realNode: false });
  try {
    const startKarpenter = values.karpenter ? await stopKarpenter(ground) : undefined;
    // These controllers would delete pods of nodes without a kubelet.
    for (const name of ['scheduler', 'controller-manager']) await ground.stopProcess(name);
    for (const [i, size] of sizes.entries()) {
      note(`loading ${size} pods`);
      await inside(ground, 'load.ts', [nodes, sizes[i - 1] ?? 0, size]);
      await untilServed(ground, size, nodes);
      note(`the API server took them in after ${(await untilTakenIn(ground)).toFixed(1)} s`);
      const isLast = i === sizes.length - 1;
      const update = async (): Promise<void> => {
        note((await inside(ground, 'update.ts', [nodes, size, values.rate, values.seconds])).trim());
      };
      note('measuring ours');
      const ours = await measure('ours', ground, isLast ? update : undefined);
      note(JSON.stringify(ours));
      note('measuring client-node');
      const peer = await measure('peer', ground, isLast ? update : undefined);
      note(JSON.stringify(peer));
      const isMeasured = startKarpenter !== undefined && size <= Number(values['karpenter-pods']);
      note(isMeasured ? 'measuring Karpenter' : 'Karpenter is left out');
      const karpenter = isMeasured ? await startKarpenter() : undefined;
      if (karpenter) note(JSON.stringify(karpenter));
      rows.push(...rowsOf(size, ours, peer, karpenter));
      if (ours.failure) note(`ours: ${ours.failure}`);
    }
    const rate = await queueRate();
    rows.push(['work queue, add/get/done a second', fixed(rate), '-', '-', '-', '-', '≥ 200000']);
    return rows;
  } finally {
    await ground.down();
  }
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      sizes: { type: 'string', default: '10000,50000,150000' },
      nodes: { type: 'string', default: '5000' },
      rate: { type: 'string', default: '1000' },
      seconds: { type: 'string', default: '20' },
      karpenter: { type: 'boolean', default: true },
      // With 150,000 pods the API server takes 10 GB, and Karpenter 5 GB for a third of them: more than 24 GB together.
      'karpenter-pods': { type: 'string', default: '50000' },
      growth: { type: 'boolean', default: true },
      idle: { type: 'boolean', default: true },
    },
    allowNegative: true,
  });
  const [cpu] = cpus();
  process.stdout.write(
    `${cpus().length} × ${cpu?.model}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}\n`,
  );
  if (values.growth) {
    const rows = await growth(values);
    process.stdout.write(
      `\n${values.nodes} nodes, ${values.rate} pod updates a second for ${values.seconds} s\n\n`,
    );
    printTable(rows);
  }
  if (values.idle) {
    const rows = await idleRows();
    process.stdout.write('\n');
    printTable(rows);
  }
};

await main();
