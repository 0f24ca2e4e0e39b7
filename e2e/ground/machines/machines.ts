import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceView } from '../aws/control/types.ts';
import { run } from '../host/command.ts';
import {
  type GroundProcess,
  isAlive,
  recordedProcesses,
  startProcess,
  stopProcess,
} from '../host/processes.ts';
import { addAddress, removeAddress } from './addresses.ts';
import type { Observed } from './plan.ts';
import { type MachineSpec, machineSpecOf } from './spec.ts';

export interface MachinesOptions {
  /** The ground's folder, where processes are on record. */
  readonly groundDir: string;
  /** Path of the program `machine`. */
  readonly program: string;
  /** URL of the API server. */
  readonly server: string;
  readonly caCertificate: string;
  readonly caKey: string;
  readonly memoryOverhead: number;
}

/** The machines of one ground: processes that outlive their starter. */
export interface Machines {
  observe(): Observed;
  /** Throws when the instance's user data cannot be read. */
  start(instance: InstanceView): Promise<void>;
  stop(instanceId: string): Promise<void>;
}

const PREFIX = 'machine-';

export const createMachines = (options: MachinesOptions): Machines => {
  const { groundDir } = options;
  const folderOf = (id: string): string => join(groundDir, 'machines', id);

  const recorded = (): readonly { readonly id: string; readonly process: GroundProcess }[] =>
    recordedProcesses(groundDir)
      .filter(({ name }) => name.startsWith(PREFIX))
      .map((process) => ({ id: process.name.slice(PREFIX.length), process }));

  const startedAt = new Map<string, number>();

  const addressOf = (id: string): string | undefined => {
    try {
      return (JSON.parse(readFileSync(join(folderOf(id), 'spec.json'), 'utf8')) as MachineSpec).address;
    } catch {
      // Its folder is gone already.
      return undefined;
    }
  };

  return {
    observe: () => {
      const all = recorded();
      return {
        started: new Set(all.map(({ id }) => id)),
        alive: new Set(all.filter(({ process }) => isAlive(process)).map(({ id }) => id)),
        startedAt,
      };
    },
    start: async (instance) => {
      startedAt.set(instance.id, Date.now());
      const folder = folderOf(instance.id);
      const { memoryOverhead, program, caCertificate, caKey, server } = options;
      const spec = machineSpecOf(instance, { folder, memoryOverhead });
      // A socket that a machine left behind would keep its next start from listening.
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      await addAddress(spec.address);
      writeFileSync(join(folder, 'spec.json'), JSON.stringify(spec, undefined, 2));
      await run([program, 'credentials', caCertificate, caKey, server, spec.name, folder]);
      startProcess(groundDir, {
        name: `${PREFIX}${instance.id}`,
        argv: [program, 'run', join(folder, 'spec.json')],
        cwd: folder,
      });
    },
    stop: async (id) => {
      const found = recorded().find((each) => each.id === id);
      if (found !== undefined) await stopProcess(groundDir, found.process, 2_000);
      const address = addressOf(id);
      if (address !== undefined) await removeAddress(address);
      rmSync(folderOf(id), { recursive: true, force: true });
      startedAt.delete(id);
    },
  };
};
