import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../kube/errors.ts';
import { clearGround } from '../ground/clear.ts';
import { processesInSessions, processesWith, stopProcesses } from '../ground/host/processes.ts';
import { withLock } from '../ground/lock.ts';

/** Environment variable that every process of a run of tests inherits; its value is the run's folder. */
export const RUN = 'PRECISION_PACKER_RUN';

const SUFFIX = '.grounds';

/** The register of the grounds that one part of a run brings up, for GROUND_REGISTER. */
export const registerIn = (run: string, part: string): string => join(run, `${part}${SUFFIX}`);

const registered = (register: string): readonly string[] =>
  existsSync(register) ? [...new Set(readFileSync(register, 'utf8').split('\n').filter(Boolean))] : [];

const clear = async (dir: string, graceMs: number): Promise<string | undefined> => {
  // Of a ground whose folder is gone nothing is known that could be ended.
  if (!existsSync(dir)) return undefined;
  try {
    await withLock(`${dir}.lock`, `ground ${dir}`, () => clearGround(dir, graceMs));
    return undefined;
  } catch (error) {
    return `${dir}: ${messageOf(error)}`;
  }
};

/** Ends the grounds that a part of a run has left up. Returns what could not be ended. */
export const clearRegistered = async (register: string, graceMs?: number): Promise<readonly string[]> => {
  const left = registered(register).filter((dir) => existsSync(join(dir, 'ground.json')));
  return (await Promise.all(left.map((dir) => clear(dir, graceMs ?? 5_000)))).flatMap((line) => line ?? []);
};

/**
 * Ends every process and every ground of a run, at once. `program` is the pid of one that began a session and may be gone.
 * Returns what could not be ended.
 */
export const endRun = async (run: string, program?: number): Promise<readonly string[]> => {
  // Each file begins a session, in which also those of its processes are that have an environment of their own.
  const sessions = new Set<number>(program === undefined ? [] : [program]);
  const alive = () => {
    const marked = processesWith(RUN, run);
    for (const { pid } of marked) sessions.add(pid);
    return [...marked, ...processesInSessions(sessions)];
  };
  // A process that is just being started shows only after its parent is gone.
  for (let left = alive(); left.length > 0; left = alive()) await stopProcesses(left, 0);
  const dirs = readdirSync(run)
    .filter((name) => name.endsWith(SUFFIX))
    .flatMap((name) => registered(join(run, name)));
  const failures = await Promise.all([...new Set(dirs)].map((dir) => clear(dir, 0)));
  return failures.flatMap((line) => line ?? []);
};
