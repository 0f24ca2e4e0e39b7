import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { Child } from '../support/child.ts';
import { quantile } from '../support/figures.ts';
import type { Attack } from './attacks.ts';
import { apiServer, type Honest, kubeScheduler, policyReader, timesOf, webhookReplica } from './honest.ts';

/** What one attack did to a server and to an honest caller beside it. */
export interface Outcome {
  readonly attack: Attack;
  readonly made: number;
  readonly seconds: number;
  /** Milliseconds, before and during the attack. */
  readonly idleP99: number;
  readonly p99: number;
  readonly answers: number;
  /** The largest resident memory during the attack, in MiB. */
  readonly rss: number;
  /** CPU seconds of the attacked server during the attack. */
  readonly cpuSeconds: number;
}

export interface Round {
  readonly count: number;
  readonly idleMs: number;
  /** Attacks a server beside the one that the honest caller asks. */
  readonly isBeside?: boolean;
  /** Servers and honest caller never wait for a processor behind the attacker or other work; needs root. */
  readonly isRealtime?: boolean;
}

/** As many that a question about them every few milliseconds leaves the machine time for strangers. */
const NODES = 1_000;

/** The memory limit of a component's container, in MiB. */
export const limitOf = (component: string): number => {
  const path = fileURLToPath(new URL(`../../manifests/base/${component}/deployment.yaml`, import.meta.url));
  for (const document of parseAllDocuments(readFileSync(path, 'utf8'))) {
    const limit: unknown = document.getIn([
      'spec',
      'template',
      'spec',
      'containers',
      0,
      'resources',
      'limits',
      'memory',
    ]);
    if (typeof limit === 'string' && limit.endsWith('Mi')) return Number(limit.slice(0, -2));
  }
  throw new Error(`${path} has no memory limit in Mi`);
};

export const COMPONENTS: Readonly<Record<Attack['door'], string>> = {
  webhook: 'webhook',
  extender: 'pod-pinner',
  peers: 'pod-pinner',
  policies: 'kentroller',
};

interface Door {
  readonly child: Child;
  readonly port: number;
  readonly honest: Honest;
}

const honestAt = (door: Exclude<Attack['door'], 'extender'>, port: number, certificate: string): Honest => {
  switch (door) {
    case 'webhook':
      return apiServer(port);
    case 'peers':
      return webhookReplica(port, certificate);
    case 'policies':
      return policyReader(port);
  }
};

const openDoor = async (door: Attack['door']): Promise<Door> => {
  if (door === 'extender') {
    const child = Child.ofOurs('bench/extender/verbserver.ts', {}, [String(NODES), 'plan']);
    const port = Number((await child.said('listening')).split(' ')[1]);
    return { child, port, honest: kubeScheduler(port, NODES) };
  }
  const child = Child.ofOurs('bench/doors/server.ts', {}, [door]);
  const line = await child.said('listening');
  const { port, certificate } = JSON.parse(line.slice('listening '.length)) as {
    readonly port: number;
    readonly certificate: string;
  };
  return { child, port, honest: honestAt(door, port, certificate) };
};

const close = async ({ child, honest }: Door): Promise<void> => {
  honest.close();
  await child.stop();
};

/** Passes an error on when the door is closed. */
const closing =
  (door: Door) =>
  async (error: unknown): Promise<never> => {
    await close(door);
    throw error;
  };

const peakMiB = (pid: number | undefined): number => {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
};

const ATTACKER_NICE = -19;

/** Gives all threads of a process the processor whenever they ask for it, but not what it starts. */
const makeRealtime = (pid: number | undefined): void => {
  execFileSync('chrt', ['--all-tasks', '--reset-on-fork', '--rr', '--pid', '1', String(pid)]);
};

/** One attack of so many requests on a server of its own. Throws when an honest request is not answered well. */
export const runAttack = async (attack: Attack, o: Round): Promise<Outcome> => {
  const asked = await openDoor(attack.door);
  const attacked = o.isBeside ? await openDoor(attack.door).catch(closing(asked)) : asked;
  const { honest } = asked;
  const { child, port } = attacked;
  try {
    if (o.isRealtime) for (const { pid } of [process, asked.child.process, child.process]) makeRealtime(pid);
    const warm = performance.now() + o.idleMs;
    await timesOf(honest, () => performance.now() > warm);
    const idleEnd = performance.now() + o.idleMs;
    const idle = await timesOf(honest, () => performance.now() > idleEnd);
    // Peaks are counted from here on.
    writeFileSync(`/proc/${child.process.pid}/clear_refs`, '5');
    const { door, what } = attack;
    const attacker = Child.ofOurs('bench/doors/attacker.ts', {}, [String(port), door, what, String(o.count)]);
    try {
      if (o.isRealtime) setPriority(attacker.process.pid ?? 0, ATTACKER_NICE);
      await attacker.said('started');
      const cpuBefore = child.cpuSeconds();
      const since = performance.now();
      const times = await timesOf(honest, () => attacker.process.exitCode !== null);
      const made = Number((await attacker.said('made')).split(' ')[1]);
      return {
        attack,
        made,
        seconds: (performance.now() - since) / 1000,
        idleP99: quantile(idle, 0.99),
        p99: quantile(times, 0.99),
        answers: times.length,
        rss: peakMiB(child.process.pid),
        cpuSeconds: child.cpuSeconds() - cpuBefore,
      };
    } finally {
      await attacker.stop();
    }
  } finally {
    await close(asked);
    if (attacked !== asked) await close(attacked);
  }
};
