import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, ownStartTicks } from './host/processes.ts';

interface Holder {
  readonly pid: number;
  readonly startTicks: string;
}

/**
 * Runs something that only one process may do at a time. Throws at once while another does; the lock of a dead process
 * is taken over.
 */
export async function withLock<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  acquire(path, what);
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** Runs something that only one process may do at a time, after those that do it already. */
export async function whenFree<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      acquire(path, what);
      break;
    } catch (error) {
      if (!(error instanceof Taken)) throw error;
    }
    await sleep(500);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

class Taken extends Error {}

function acquire(path: string, what: string): void {
  for (;;) {
    try {
      const file = openSync(path, 'wx');
      writeSync(file, JSON.stringify({ pid: process.pid, startTicks: ownStartTicks() } satisfies Holder));
      closeSync(file);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = readHolder(path);
    if (holder !== undefined && isAlive(holder))
      throw new Taken(`${what} is being changed by process ${holder.pid}`);
    rmSync(path, { force: true });
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}
