import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { groundFrom } from '../ground/handle.ts';
import { run } from '../ground/host/command.ts';
import type { MachineSpec } from '../ground/machines/spec.ts';
import { groundDir } from '../ground/paths.ts';
import { readRecord } from '../ground/record.ts';

const GIB = 2 ** 30;

/** A machine that a suite boots itself: a kubelet under a name, with devices that come late. */
export const bootMachine = async (o: {
  readonly nodeName: string;
  readonly providerID: string;
  /** The last part of its address. */
  readonly host: number;
  readonly devices: Readonly<Record<string, string>>;
  readonly devicesAfterSeconds: number;
}): Promise<{ stop(): Promise<void> }> => {
  const name = process.env.GROUND_NAME ?? '';
  const dir = groundDir(process.env, name);
  const record = readRecord(dir);
  if (!record) throw new Error(`no ground is called ${name}: set GROUND_NAME to the ground of KUBECONFIG`);
  const ground = groundFrom(dir, record, process.env);
  // A socket's path has at most 107 bytes.
  const folder = join(dir, 'machines', `suite-${o.host}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const address = `10.91.0.${o.host}`;
  const spec: MachineSpec = {
    name: o.nodeName,
    providerID: o.providerID,
    kubeconfig: join(folder, 'kubeconfig'),
    folder,
    address,
    port: 20_250,
    cores: 2,
    memoryBytes: 8 * GIB,
    storageBytes: 20 * GIB,
    maxPods: 29,
    reserved: [],
    devices: o.devices,
    devicesAfterSeconds: o.devicesAfterSeconds,
    labels: {},
    taints: [],
  };
  writeFileSync(join(folder, 'spec.json'), JSON.stringify(spec));
  await ground.exec(['ip', 'address', 'replace', `${address}/32`, 'dev', 'lo']);
  const program = await ground.program('machine');
  const pki = (file: string): string => join(dir, 'pki', file);
  await run([program, 'credentials', pki('ca.crt'), pki('ca.key'), ground.server, o.nodeName, folder]);
  const processName = `suite-machine-${o.host}`;
  ground.addProcess({ name: processName, argv: [program, 'run', join(folder, 'spec.json')], cwd: folder });
  return {
    stop: async () => {
      await ground.stopProcess(processName);
      await ground.exec(['ip', 'address', 'delete', `${address}/32`, 'dev', 'lo']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
