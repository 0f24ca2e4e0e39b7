import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS, LEASES } from '../../api/resources.ts';
import { scratch, soon } from '../testing/scratch.ts';
import { type ElectionOptions, runElected } from './election.ts';
import { Fence } from './fence.ts';

const { client, kubeconfig, namespace, log } = scratch(t, 'lease');

const untilAborted = async (signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
};

interface Contender {
  readonly stop: () => Promise<void>;
  isLeading: boolean;
  terms: number;
}

const contend = (name: string, identity: string, o: Partial<ElectionOptions> = {}): Contender => {
  const stopping = new AbortController();
  const contender: Contender = {
    isLeading: false,
    terms: 0,
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
  const done = runElected({
    client,
    namespace,
    name,
    identity,
    leaseDurationMs: 1500,
    renewDeadlineMs: 1000,
    retryPeriodMs: 200,
    signal: stopping.signal,
    log,
    onLeader: async (signal) => {
      contender.isLeading = true;
      contender.terms++;
      await untilAborted(signal);
      contender.isLeading = false;
    },
    ...o,
  });
  return contender;
};

t.test('one leads at a time, and a clean stop hands over within a second', async (t) => {
  const holders: string[] = [];
  const a = contend('clean', 'a', { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 });
  await soon('a leads', () => a.isLeading);
  const b = contend('clean', 'b', {
    leaseDurationMs: 15_000,
    renewDeadlineMs: 10_000,
    retryPeriodMs: 2000,
    onChange: (holder) => void holders.push(holder),
  });
  await soon('b has seen a', () => holders.includes('a'));
  t.equal(b.isLeading, false);
  await a.stop();
  const since = performance.now();
  await soon('b leads', () => b.isLeading);
  const took = performance.now() - since;
  t.ok(took < 1000, `b led ${Math.round(took)} ms after a had stopped`);
  t.equal(a.isLeading, false);
  await b.stop();
  t.equal((await client.get(LEASES, { name: 'clean', namespace })).spec?.holderIdentity, '');
});

t.test('a leader whose Lease was taken by another ends its term and campaigns again', async (t) => {
  const a = contend('taken', 'a');
  t.teardown(() => a.stop());
  await soon('a leads', () => a.isLeading);
  const thief = {
    spec: { holderIdentity: 'thief', leaseDurationSeconds: 1, renewTime: '2026-01-01T00:00:00.000000Z' },
  };
  await client.patch(LEASES, { name: 'taken', namespace }, thief);
  await soon('a has stepped down', () => !a.isLeading);
  await soon('a leads again', () => a.terms === 2);
  t.pass();
});

t.test('an error of the work ends the election', async (t) => {
  await t.rejects(
    runElected({
      client,
      namespace,
      name: 'broken',
      identity: 'a',
      signal: new AbortController().signal,
      log,
      onLeader: async () => {
        throw new Error('broken work');
      },
    }),
    { message: 'broken work' },
  );
  t.equal(
    (await client.get(LEASES, { name: 'broken', namespace })).spec?.holderIdentity,
    '',
    'and the Lease is released',
  );
});

t.test('a fence closes by itself after its time', async (t) => {
  const fence = new Fence(30);
  t.throws(fence.check, { name: 'FencedError' });
  fence.open(Fence.now());
  t.doesNotThrow(fence.check);
  await sleep(35);
  t.throws(fence.check, { name: 'FencedError' });
  const { monotonic, wall } = Fence.now();
  fence.open({ monotonic, wall: wall - 60_000 });
  t.throws(fence.check, { name: 'FencedError' }, 'a machine that slept: only the wall clock knows');
});

interface Frozen {
  readonly process: ChildProcess;
  readonly said: string[];
  /** Writes that have passed the fence and are not with the kernel yet. */
  passing(): number;
}

const fixture = (folder: string, identity: string): Frozen => {
  const file = join(folder, identity);
  const process_ = spawn(
    process.execPath,
    [new URL('../testing/leaseholder.ts', import.meta.url).pathname, kubeconfig, namespace, identity, file],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const said: string[] = [];
  createInterface({ input: process_.stdout }).on('line', (line) => void said.push(line));
  return { process: process_, said, passing: () => Number(readFileSync(file, 'utf8')) };
};

const isStopped = (pid: number): boolean => /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/**
 * Stops the process between two of its writes and returns how many moments were skipped. A write that has passed the
 * fence can't be called back, so moments within those microseconds are skipped.
 */
const freeze = async ({ process: { pid = 0 }, passing }: Frozen): Promise<number> => {
  for (let missed = 0; ; missed++) {
    process.kill(pid, 'SIGSTOP');
    await soon('the process is stopped', () => isStopped(pid));
    if (passing() === 0) return missed;
    process.kill(pid, 'SIGCONT');
    await sleep(Math.random() * 20);
  }
};

t.test('a leader frozen past its Lease writes nothing more when it wakes', async (t) => {
  await client.create<ConfigMap>(CONFIG_MAPS, { metadata: { name: 'written', namespace }, data: {} });
  const written = async (): Promise<string> =>
    (await client.get(CONFIG_MAPS, { name: 'written', namespace })).metadata.resourceVersion ?? '';
  const folder = t.testdir();
  for (let round = 1; round <= 3; round++) {
    const leader = fixture(folder, `frozen-${round}`);
    t.teardown(() => void leader.process.kill('SIGKILL'));
    await soon('the other process leads', () => leader.said.includes('leading'));
    const before = await written();
    while ((await written()) === before) await sleep(5);
    t.comment(`${await freeze(leader)} moments fell into a write`);
    const successor = contend('fenced', `successor-${round}`);
    await soon('another leads', () => successor.isLeading);
    const atTakeover = await written();
    leader.process.kill('SIGCONT');
    await soon('the woken leader has stepped down', () => leader.said.includes('lost'));
    t.comment(
      leader.said.includes('fenced') ? 'the fence stopped a write' : 'it stepped down before it wrote',
    );
    t.same(
      leader.said.filter((line) => line.startsWith('failed')),
      [],
      'no write failed for another reason than the fence',
    );
    t.equal(await written(), atTakeover, 'and nothing was written');
    leader.process.kill('SIGKILL');
    await successor.stop();
  }
});
