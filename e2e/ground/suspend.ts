import { readFileSync } from 'node:fs';
import type { Ground } from './cluster.ts';
import type { GroundProcess } from './host/processes.ts';

const partsOf = (pid: number, file: string): readonly string[] =>
  readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').slice(0, -1);

/** Ends a process of the ground and returns a function that starts it again as before. */
export const suspend = async (
  ground: Ground,
  name: string,
  graceMs = 5_000,
): Promise<() => GroundProcess> => {
  const running = ground.processes().find((process) => process.name === name);
  if (running === undefined) throw new Error(`no process of the ground is called ${name}`);
  const argv = partsOf(running.pid, 'cmdline');
  const env = Object.fromEntries(
    partsOf(running.pid, 'environ').map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
  await ground.stopProcess(name, graceMs);
  return () => ground.addProcess({ name, argv, env });
};
