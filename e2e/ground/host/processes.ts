import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { searchPath } from './command.ts';

/** Environment variable that every process of a ground inherits; its value is the ground's folder. */
export const MARKER = 'PRECISION_PACKER_GROUND';

// Time that the kernel may need to end a killed process on a busy machine.
const KILLED_WITHIN_MS = 60_000;

export interface ProcessSpec {
  /** Names the log file and the pid file. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A process that outlives the one that started it. */
export interface GroundProcess {
  readonly name: string;
  readonly pid: number;
  /** Start time in the kernel's ticks since boot, which tells it apart from a later process with the same pid. */
  readonly startTicks: string;
  readonly log: string;
}

/** Starts a process in a session of its own, its output in logs/NAME.log, its record in pids/NAME.json. */
export function startProcess(dir: string, spec: ProcessSpec): GroundProcess {
  mkdirSync(join(dir, 'logs'), { recursive: true });
  mkdirSync(join(dir, 'pids'), { recursive: true });
  const log = join(dir, 'logs', `${spec.name}.log`);
  const [command = '', ...args] = spec.argv;
  const output = openSync(log, 'a');
  try {
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, PATH: searchPath(), ...spec.env, [MARKER]: dir },
      cwd: spec.cwd ?? dir,
    });
    child.on('error', () => {
      // Said below: there is no pid.
    });
    if (child.pid === undefined) throw new Error(`${command} can't be started: see ${log}`);
    child.unref();
    const started = { name: spec.name, pid: child.pid, startTicks: startTicksOf(child.pid) ?? '', log };
    writeFileSync(join(dir, 'pids', `${spec.name}.json`), `${JSON.stringify(started)}\n`);
    return started;
  } finally {
    closeSync(output);
  }
}

/** The processes on record, running or not. */
export function recordedProcesses(dir: string): GroundProcess[] {
  let names: string[];
  try {
    names = readdirSync(join(dir, 'pids'));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(dir, 'pids', name), 'utf8')) as GroundProcess];
    } catch {
      // Written by a ground that was killed at that moment; the marker still finds its process.
      return [];
    }
  });
}

export function isAlive(process: Pick<GroundProcess, 'pid' | 'startTicks'>): boolean {
  return process.startTicks !== '' && startTicksOf(process.pid) === process.startTicks;
}

/** When this process was started. */
export function ownStartTicks(): string {
  return startTicksOf(process.pid) ?? '';
}

/** All processes that carry the ground's marker, whoever started them. */
export function markedProcesses(dir: string): { pid: number; startTicks: string }[] {
  return processesWith(MARKER, dir);
}

/** All processes but this one that have an environment variable with that value. */
export function processesWith(variable: string, value: string): { pid: number; startTicks: string }[] {
  const entry = `${variable}=${value}`;
  return allPids().flatMap((pid) => {
    if (pid === process.pid) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(entry)) return [];
    } catch {
      return [];
    }
    const startTicks = startTicksOf(pid);
    return startTicks === undefined ? [] : [{ pid, startTicks }];
  });
}

/** All processes in these sessions; a session is named by the pid of the process that began it, which may be gone. */
export function processesInSessions(sessions: ReadonlySet<number>): { pid: number; startTicks: string }[] {
  return allPids().flatMap((pid) => {
    const stat = statOf(pid);
    return stat !== undefined && pid !== process.pid && sessions.has(stat.session)
      ? [{ pid, startTicks: stat.startTicks }]
      : [];
  });
}

/** Asks the processes to end, and kills those that have not after `graceMs`. Returns when all are gone. */
export async function stopProcesses(
  processes: readonly { readonly pid: number; readonly startTicks: string }[],
  graceMs: number,
): Promise<void> {
  for (const one of processes) send(one, 'SIGTERM');
  if (await areGone(processes, graceMs)) return;
  for (const one of processes) send(one, 'SIGKILL');
  if (!(await areGone(processes, KILLED_WITHIN_MS))) {
    throw new Error(
      `these processes do not end: ${processes
        .filter(isAlive)
        .map((one) => one.pid)
        .join(', ')}`,
    );
  }
}

/** Ends one process on record and forgets it. */
export async function stopProcess(dir: string, process: GroundProcess, graceMs: number): Promise<void> {
  await stopProcesses([process], graceMs);
  rmSync(join(dir, 'pids', `${process.name}.json`), { force: true });
}

async function areGone(
  processes: readonly { readonly pid: number; readonly startTicks: string }[],
  withinMs: number,
): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (processes.some(isAlive)) {
    if (Date.now() >= deadline) return false;
    await sleep(20);
  }
  return true;
}

function send(target: { readonly pid: number; readonly startTicks: string }, signal: NodeJS.Signals): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, signal);
  } catch {
    // It ended in between.
  }
}

/** The ids of all processes. */
export function allPids(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function startTicksOf(pid: number): string | undefined {
  return statOf(pid)?.startTicks;
}

// Fields 6 and 22 of /proc/PID/stat; the second field, the program's name, may hold blanks and brackets. A zombie does not count.
function statOf(pid: number): { readonly session: number; readonly startTicks: string } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, , , session] = fields;
  const startTicks = fields[19];
  if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
  return { session: Number(session), startTicks };
}
