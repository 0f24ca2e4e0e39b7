import { join } from 'node:path';
import { buildPrograms } from './build/build.ts';
import { clearGround } from './clear.ts';
import type { Ground } from './cluster.ts';
import { run } from './host/command.ts';
import { inside } from './host/network.ts';
import { isAlive, MARKER, recordedProcesses, startProcess, stopProcess } from './host/processes.ts';
import { SILENT } from './host/progress.ts';
import { withLock } from './lock.ts';
import { cacheRoot } from './paths.ts';
import type { GroundRecord } from './record.ts';

/** The operations on a ground that is on record. */
export function groundFrom(
  dir: string,
  record: GroundRecord,
  env: Readonly<Record<string, string | undefined>>,
): Ground {
  const kubeconfig = join(dir, 'kubeconfig');
  const enter = record.namespace === '' ? [] : inside(record.namespace);
  const programs = new Map(Object.entries(record.programs));
  const program = async (name: string) => {
    const path =
      programs.get(name) ??
      (await buildPrograms([name], { cache: cacheRoot(env), progress: SILENT })).get(name) ??
      '';
    programs.set(name, path);
    return path;
  };
  const processNamed = (name: string) => recordedProcesses(dir).find((process) => process.name === name);
  return {
    name: record.name,
    backend: record.backend,
    dir,
    kubeconfig,
    server: record.server,
    namespace: record.namespace,
    address: record.address,
    hostAddress: record.hostAddress,
    cloud: record.cloud,
    realNode: record.realNode,
    cache: cacheRoot(env),
    exec: (argv, options = {}) =>
      run([...enter, ...argv], {
        ...options,
        env: { KUBECONFIG: kubeconfig, ...options.env, [MARKER]: dir },
      }),
    kubectl: async (args, options = {}) =>
      run([await program('controlplane'), 'kubectl', `--kubeconfig=${kubeconfig}`, ...args], options),
    addProcess(spec) {
      const running = processNamed(spec.name);
      if (running !== undefined && isAlive(running))
        throw new Error(`${spec.name} runs already, as ${running.pid}`);
      return startProcess(dir, { ...spec, argv: [...enter, ...spec.argv] });
    },
    processes: () => recordedProcesses(dir),
    async stopProcess(name, graceMs = 5_000) {
      const process = processNamed(name);
      if (process === undefined) throw new Error(`no process of the ground is called ${name}`);
      await stopProcess(dir, process, graceMs);
    },
    program,
    down: () => withLock(`${dir}.lock`, `ground ${record.name}`, () => clearGround(dir)),
  };
}
