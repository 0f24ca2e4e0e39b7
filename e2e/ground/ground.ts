import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CloudOptions, startCloud } from './aws/cloud.ts';
import { buildPrograms } from './build.ts';
import { cgroupOf } from './cgroups.ts';
import { clearGround, rotateLogs } from './clear.ts';
import { type CommandOptions, run } from './command.ts';
import { serverUrl, startControlPlane } from './controlplane.ts';
import { loadComponents, loadPause } from './images.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { withLock } from './lock.ts';
import { createNetwork, inside } from './network.ts';
import { startNode, startRuntime } from './node.ts';
import { cacheRoot, groundDir } from './paths.ts';
import { certificatesFor } from './pki.ts';
import {
  type GroundProcess,
  isAlive,
  MARKER,
  type ProcessSpec,
  recordedProcesses,
  startProcess,
  stopProcess,
} from './processes.ts';
import { programsFor } from './programs.ts';
import { type Progress, SILENT } from './progress.ts';
import { type GroundRecord, readRecord, writeRecord } from './record.ts';
import { requireTools, toolsFor } from './tools.ts';

export interface GroundOptions {
  /** Tells grounds apart that stand side by side; 'default' when left out. */
  readonly name?: string;
  /** Karpenter's AWS controller, the AWS endpoint and the machines. */
  readonly cloud?: boolean;
  /** A node whose pods are real containers; our Deployments run there and nothing else does. */
  readonly realNode?: boolean;
  /** Further arguments of kube-scheduler. */
  readonly schedulerArgs?: readonly string[];
  /** Further arguments of kube-apiserver. */
  readonly apiserverArgs?: readonly string[];
  /** How the cloud behaves; its own defaults when left out. */
  readonly cloudOptions?: CloudOptions;
  readonly progress?: Progress;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A whole cluster, and how to reach into it. */
export interface Ground {
  readonly name: string;
  /** Where all of its state lies. */
  readonly dir: string;
  /** The administrator's kubeconfig; it works on the host and inside the ground. */
  readonly kubeconfig: string;
  /** The file of its network namespace; empty where the ground shares the host's network. */
  readonly namespace: string;
  /** Where the host reaches what listens inside on all addresses. */
  readonly address: string;
  /** Where what runs inside reaches what listens on the host. */
  readonly hostAddress: string;
  readonly cloud: boolean;
  readonly realNode: boolean;
  /** The folder of what is built once for all grounds. */
  readonly cache: string;
  /** Runs a command inside, to its end; answers with its stdout. Throws CommandError when it does not end with 0. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<string>;
  /** kubectl as the administrator. */
  kubectl(args: readonly string[], options?: CommandOptions): Promise<string>;
  /** Starts a process inside that lives as long as the ground. Throws when one of that name runs. */
  addProcess(spec: ProcessSpec): GroundProcess;
  processes(): GroundProcess[];
  /** Ends a process that addProcess started: SIGTERM, and SIGKILL after `graceMs`, 5 s when left out. */
  stopProcess(name: string, graceMs?: number): Promise<void>;
  /** Where a program of programs.ts lies; it is built when it has not been. */
  program(name: string): Promise<string>;
  /** Ends and removes everything but the logs. */
  down(): Promise<void>;
}

/**
 * Brings up a cluster of that name. One that is there already, or what is left of it, is cleared first.
 * Where it fails, what was started is ended again and the logs stay.
 */
export async function up(options: GroundOptions = {}): Promise<Ground> {
  const { name = 'default', cloud = false, realNode = false, progress = SILENT, env = process.env } = options;
  const dir = groundDir(env, name);
  await requireTools(toolsFor(realNode), progress);
  const programs = await buildPrograms(programsFor({ cloud, realNode }), { cache: cacheRoot(env), progress });
  mkdirSync(dir, { recursive: true });
  return withLock(`${dir}.lock`, `ground ${name}`, async () => {
    await clearGround(dir);
    rotateLogs(dir);
    try {
      return await start(dir, name, programs, options);
    } catch (cause) {
      await clearGround(dir);
      throw new Error(`ground ${name} did not come up: ${messageOf(cause)} (logs: ${join(dir, 'logs')})`, {
        cause,
      });
    }
  });
}

async function start(
  dir: string,
  name: string,
  programs: ReadonlyMap<string, string>,
  options: GroundOptions,
): Promise<Ground> {
  const { cloud = false, realNode = false, progress = SILENT, env = process.env } = options;
  const namespace = join(dir, 'netns');
  const addresses = await createNetwork(namespace, lastLinkIndex(dir));
  const record: GroundRecord = {
    name,
    backend: 'modules',
    cloud,
    realNode,
    namespace,
    link: addresses.link,
    linkIndex: addresses.index,
    address: addresses.inner,
    hostAddress: addresses.host,
    programs: Object.fromEntries(programs),
    cgroup: cgroupOf(dir),
    isReady: false,
  };
  writeRecord(dir, record);
  const ground = groundFrom(dir, record, env);
  const pki = await certificatesFor(join(dir, 'pki'), addresses.inner);
  writeKubeconfig(ground.kubeconfig, serverUrl(addresses.inner), pki.ca, pki.clients.admin);
  const runtime = realNode ? startRuntime(ground) : undefined;
  const pause = runtime?.then(() => loadPause(ground));
  const components = runtime?.then(() => loadComponents(ground));
  // Awaited below; until then their failures are nobody's unhandled rejection.
  for (const early of [runtime, pause, components]) early?.catch(() => {});
  await progress.during('start the control plane', () =>
    startControlPlane({
      dir,
      address: addresses.inner,
      pki,
      programs,
      schedulerArgs: options.schedulerArgs ?? [],
      apiserverArgs: options.apiserverArgs ?? [],
      start: (process, argv) => ground.addProcess({ name: process, argv }),
    }),
  );
  await inParallel([
    async () => {
      if (runtime === undefined) return;
      await progress.during('start the real node', async () => {
        await startNode(ground, pki, await runtime);
        await Promise.all([pause, components]);
      });
    },
    async () => {
      if (!cloud) return;
      await progress.during('start the cloud', () => startCloud(ground, options.cloudOptions));
    },
  ]);
  writeRecord(dir, { ...record, isReady: true });
  return ground;
}

// Waits for all of them even where one fails, so that nothing is started any more while the ground is cleared.
async function inParallel(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const results = await Promise.allSettled(steps.map((step) => step()));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** The ground of that name that another process has brought up. Throws when there is none. */
export function attach(
  name: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Ground {
  const dir = groundDir(env, name);
  const record = readRecord(dir);
  if (record === undefined)
    throw new Error(`no ground is called ${name}: node e2e/ground/main.ts up --name ${name}`);
  return groundFrom(dir, record, env);
}

function groundFrom(
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
    dir,
    kubeconfig,
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function lastLinkIndex(dir: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(join(dir, 'last.json'), 'utf8')) as GroundRecord).linkIndex;
  } catch {
    return undefined;
  }
}
