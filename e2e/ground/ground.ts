import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CloudOptions } from './aws/cloud.ts';
import { type Backend, chooseBackend, hasDocker } from './backend.ts';
import { buildPrograms } from './build.ts';
import { clearGround, rotateLogs } from './clear.ts';
import type { CommandOptions } from './command.ts';
import { groundFrom } from './handle.ts';
import { upOnKind } from './kind.ts';
import { withLock } from './lock.ts';
import { upFromModules } from './modules.ts';
import { cacheRoot, groundDir } from './paths.ts';
import type { GroundProcess, ProcessSpec } from './processes.ts';
import { programsFor } from './programs.ts';
import { type Progress, SILENT } from './progress.ts';
import { readRecord } from './record.ts';
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
  readonly backend: Backend;
  /** Where all of its state lies. */
  readonly dir: string;
  /** The administrator's kubeconfig; it works on the host and inside the ground. */
  readonly kubeconfig: string;
  /** The API server's URL. */
  readonly server: string;
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
  const backend = await chooseBackend(env);
  if (backend === 'kind' && !(await hasDocker())) {
    throw new Error('GROUND=kind needs a running Docker engine: https://docs.docker.com/engine/install');
  }
  if (backend === 'modules') await requireTools(toolsFor(realNode), progress);
  const programs = await buildPrograms(programsFor({ cloud, realNode, backend }), {
    cache: cacheRoot(env),
    progress,
  });
  mkdirSync(dir, { recursive: true });
  return withLock(`${dir}.lock`, `ground ${name}`, async () => {
    await clearGround(dir);
    rotateLogs(dir);
    try {
      const input = { dir, name, programs, cloud, realNode, progress, env, options };
      return backend === 'kind' ? await upOnKind(input) : await upFromModules(input);
    } catch (cause) {
      await clearGround(dir);
      throw new Error(`ground ${name} did not come up: ${messageOf(cause)} (logs: ${join(dir, 'logs')})`, {
        cause,
      });
    }
  });
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

/** Ends the ground of that name, or what is left of it. Does nothing where there is none. */
export async function down(
  name: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> {
  const dir = groundDir(env, name);
  if (existsSync(dir)) await withLock(`${dir}.lock`, `ground ${name}`, () => clearGround(dir));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
