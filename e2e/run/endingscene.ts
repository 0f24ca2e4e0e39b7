import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { until } from '../../kube/testing/until.ts';
import { down } from '../ground/ground.ts';
import { allPids, markedProcesses, stopProcesses } from '../ground/host/processes.ts';
import { cgroupFolders, cgroupOf } from '../ground/node/cgroups.ts';
import { mountsBelow } from '../ground/node/mounts.ts';
import { allRecords } from '../ground/record.ts';

/** A command of make that is told to end, and what must be gone then. */

const GONE_WITHIN_MS = 20_000;

/** Processes whose environment names this folder of grounds, whoever started them. */
const processesBelow = (root: string): string[] =>
  allPids().flatMap((pid) => {
    try {
      if (pid === process.pid || !readFileSync(`/proc/${pid}/environ`, 'utf8').includes(root)) return [];
      return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`];
    } catch {
      return [];
    }
  });

/** A command of make in a folder of grounds of its own. */
export interface Run {
  readonly root: string;
  readonly child: ChildProcess;
  /** Aborted once the command has ended, so that nobody waits for what it will not bring up any more. */
  readonly over: AbortSignal;
  output(): string;
}

/** Starts `make` with these arguments. */
export const startMake = (
  t: Test,
  args: readonly string[],
  own: Readonly<Record<string, string>> = {},
): Run => {
  const root = mkdtempSync(join(tmpdir(), 'pp-signal-'));
  // Of its own in everything: this test is part of a run itself.
  const env: NodeJS.ProcessEnv = { ...process.env, GROUND_STATE_DIR: root, ...own };
  for (const name of ['PRECISION_PACKER_RUN', 'GROUND_REGISTER', 'GROUND_NAME', 'MAKEFLAGS', 'MAKELEVEL'])
    delete env[name];
  const child = spawn('make', ['--no-print-directory', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const over = new AbortController();
  child.once('exit', (code, signal) =>
    over.abort(
      new Error(`make ${args.join(' ')} ended by itself, ${signal ?? code}:\n${output.slice(-2_000)}`),
    ),
  );
  t.teardown(async () => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
    for (const { name } of allRecords(root)) await down(name, env).catch(() => {});
    for (const name of existsSync(root) ? readdirSync(root) : [])
      await stopProcesses(markedProcesses(join(root, name)), 0);
    rmSync(root, { recursive: true, force: true });
  });
  return { root, child, over: over.signal, output: () => output };
};

/** Sends the signal to `pid` and checks that the run ends by it, in time and whole. */
export const endsBy = async (t: Test, run: Run, signal: NodeJS.Signals, pid: number): Promise<void> => {
  const dirs = readdirSync(run.root).map((name) => join(run.root, name));
  const since = performance.now();
  process.kill(pid, signal);
  const hasEnded = () => run.child.signalCode !== null || run.child.exitCode !== null;
  await until('the run has ended', hasEnded, { timeoutMs: GONE_WITHIN_MS });
  t.comment(`${signal}: gone after ${((performance.now() - since) / 1000).toFixed(1)} s`);
  t.not(run.child.exitCode, 0, 'the exit code says that it was no success');
  t.match(run.output(), `ended by ${signal}`);
  t.notMatch(run.output(), '# again, alone', 'nothing is run again');
  t.strictSame(processesBelow(run.root), [], 'no process is left');
  t.strictSame(mountsBelow(run.root, readFileSync('/proc/self/mountinfo', 'utf8')), [], 'no mount is left');
  t.strictSame(allRecords(run.root), [], 'no ground is on record');
  t.strictSame(
    dirs.flatMap((dir) => cgroupFolders(cgroupOf(dir))),
    [],
    'no cgroup is left',
  );
};
