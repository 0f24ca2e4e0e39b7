import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiProxy, Fault } from '../../kube/testing/apiproxy.ts';
import type { Ground } from '../ground/ground.ts';
import type { FaultProxy } from './proxy.ts';

/** What faults act on: the proxies in front of the API server, and the server itself. */
export interface Field {
  readonly tcp: FaultProxy;
  readonly api: ApiProxy;
  readonly ground: Ground;
  readonly random: () => number;
  /** Writes this many times to the API server itself, past the proxies. */
  write(times: number): Promise<void>;
}

/** One kind of round: what goes wrong while objects change, and how it is repaired. */
export interface Round {
  readonly name: string;
  readonly weight: number;
  run(field: Field): Promise<void>;
}

const isWatch = (request: IncomingMessage): boolean => request.url?.includes('watch=true') ?? false;

const during = async (field: Field, begin: () => void, end: () => void): Promise<void> => {
  await field.write(3);
  begin();
  await field.write(8);
  end();
  await field.write(3);
};

/** Faults of the API on the next matching requests. */
const lies = async (
  field: Field,
  times: number,
  fault: Fault,
  matches: (request: IncomingMessage) => boolean = () => true,
): Promise<void> => {
  let left = times;
  field.api.set((request) => (left > 0 && matches(request) && left-- > 0 ? fault : undefined));
  // Ends the watches in progress, so that the next requests come now.
  field.tcp.cut();
  await field.write(10);
};

const times = (field: Field, most: number): number => 1 + Math.floor(field.random() * most);

const restart = async (field: Field, meanwhile: () => Promise<void>): Promise<void> => {
  const { ground } = field;
  const spec = ground.processes().find((p) => p.name === 'apiserver');
  if (!spec) throw new Error('the ground has no API server');
  const argv = readFileSync(`/proc/${spec.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  await ground.stopProcess('apiserver', field.random() < 0.5 ? 0 : 5000);
  await meanwhile();
  ground.addProcess({ name: 'apiserver', argv });
  for (;;) {
    try {
      await ground.kubectl(['get', '--raw', '/readyz']);
      return;
    } catch {
      await sleep(200);
    }
  }
};

/** Compacts etcd's history up to now, as the API server does every few minutes. */
const compact = (ground: Ground): Promise<string> =>
  ground.exec([
    process.execPath,
    '-e',
    `const call = async (path, body) => (await fetch('http://127.0.0.1:2379/v3/' + path, { method: 'POST', body: JSON.stringify(body) })).json();
     call('kv/range', { key: 'AA==' }).then((r) => call('kv/compaction', { revision: r.header.revision, physical: true }));`,
  ]);

export const ROUNDS: readonly Round[] = [
  { name: 'calm', weight: 4, run: (f) => f.write(12) },
  {
    name: 'connections cut',
    weight: 12,
    run: (f) =>
      during(
        f,
        () => f.tcp.cut(),
        () => f.tcp.cut(),
      ),
  },
  {
    name: 'connections refused',
    weight: 8,
    run: (f) =>
      during(
        f,
        () => {
          f.tcp.set({ kind: 'refuse' });
          f.tcp.cut();
        },
        () => f.tcp.set({ kind: 'clear' }),
      ),
  },
  {
    name: 'half-open sockets',
    weight: 8,
    run: async (f) => {
      await f.write(3);
      f.tcp.set({ kind: 'half-open' });
      await f.write(8);
      // Long enough for the deadline for silence to pass on our side, or for the link to heal first.
      await sleep(f.random() < 0.5 ? 100 : 1300);
      f.tcp.set({ kind: 'clear' });
      await f.write(3);
    },
  },
  {
    name: 'slow bytes',
    weight: 8,
    run: (f) =>
      during(
        f,
        () => f.tcp.set({ kind: 'slow', bytes: 1 + Math.floor(f.random() * 700), everyMs: 2 }),
        () => f.tcp.set({ kind: 'clear' }),
      ),
  },
  {
    name: 'TLS records cut short',
    weight: 8,
    run: (f) =>
      during(
        f,
        () => f.tcp.truncateAfter(Math.floor(f.random() * 6000)),
        () => {},
      ),
  },
  {
    name: 'truncated JSON',
    weight: 12,
    run: (f) => lies(f, times(f, 6), { kind: 'truncate', afterBytes: Math.floor(f.random() * 20_000) }),
  },
  {
    name: '410 on watch',
    weight: 12,
    run: (f) => lies(f, times(f, 4), { kind: 'status', code: 410 }, isWatch),
  },
  {
    name: '410 inside a watch',
    weight: 12,
    run: (f) => lies(f, times(f, 4), { kind: 'error-event', code: 410 }, isWatch),
  },
  {
    name: '410 between pages',
    weight: 6,
    run: (f) => lies(f, times(f, 3), { kind: 'status', code: 410 }, (r) => !isWatch(r)),
  },
  { name: '429 storm', weight: 8, run: (f) => lies(f, times(f, 12), { kind: 'status', code: 429 }) },
  {
    name: '429 with Retry-After',
    weight: 2,
    run: (f) => lies(f, times(f, 2), { kind: 'status', code: 429, retryAfter: 1 }),
  },
  { name: '500s', weight: 8, run: (f) => lies(f, times(f, 8), { kind: 'status', code: 500 }) },
  { name: '503s', weight: 6, run: (f) => lies(f, times(f, 8), { kind: 'status', code: 503 }) },
  {
    name: 'an error inside a watch',
    weight: 6,
    run: (f) => lies(f, 2, { kind: 'error-event', code: 500 }, isWatch),
  },
  { name: 'API server killed and started again', weight: 2, run: (f) => restart(f, async () => {}) },
  {
    name: 'etcd compacted while disconnected',
    weight: 2,
    run: async (f) => {
      f.tcp.set({ kind: 'refuse' });
      f.tcp.cut();
      await f.write(10);
      await compact(f.ground);
      // The API server's cache of recent versions is lost with it, so the watch can't resume where it was.
      await restart(f, async () => {});
      f.tcp.set({ kind: 'clear' });
      await f.write(3);
    },
  },
];

/** A round by weight. */
export const pick = (random: () => number): Round => {
  let left = random() * ROUNDS.reduce((sum, r) => sum + r.weight, 0);
  for (const round of ROUNDS) {
    left -= round.weight;
    if (left < 0) return round;
  }
  throw new Error('weights do not add up');
};
