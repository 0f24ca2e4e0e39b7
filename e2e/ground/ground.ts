import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../kube/errors.ts';
import { chooseBackend, hasDocker } from './backend.ts';
import { upOnKind } from './backends/kind.ts';
import { upFromModules } from './backends/modules.ts';
import { buildPrograms } from './build/build.ts';
import { programsFor } from './build/programs.ts';
import { requireTools, toolsFor } from './build/tools.ts';
import { clearGround, rotateLogs } from './clear.ts';
import type { Ground, GroundOptions } from './cluster.ts';
import { groundFrom } from './handle.ts';
import { SILENT } from './host/progress.ts';
import { canUnpackPackages } from './kind/debian.ts';
import { withLock } from './lock.ts';
import { cacheRoot, groundDir } from './paths.ts';
import { readRecord } from './record.ts';

export type { Ground, GroundOptions } from './cluster.ts';

/**
 * Brings up a cluster of that name, after clearing whatever an earlier one left. A failure ends what was started and
 * keeps the logs.
 */
export async function up(options: GroundOptions = {}): Promise<Ground> {
  const { name = 'default', cloud = false, realNode = false, progress = SILENT, env = process.env } = options;
  const dir = groundDir(env, name);
  const backend = await chooseBackend(env);
  if (backend === 'kind' && !canUnpackPackages() && !(await hasDocker())) {
    throw new Error(
      'GROUND=kind needs a running Docker engine, or root on Debian: https://docs.docker.com/engine/install',
    );
  }
  if (backend === 'modules') await requireTools(toolsFor(realNode), progress);
  const programs = await buildPrograms(programsFor({ cloud, realNode, backend }), {
    cache: cacheRoot(env),
    progress,
  });
  mkdirSync(dir, { recursive: true });
  if (env.GROUND_REGISTER) appendFileSync(env.GROUND_REGISTER, `${dir}\n`);
  return withLock(`${dir}.lock`, `ground ${name}`, async () => {
    await clearGround(dir);
    rotateLogs(dir);
    try {
      const input = { dir, name, cache: cacheRoot(env), programs, cloud, realNode, progress, env, options };
      return backend === 'kind' ? await upOnKind(input) : await upFromModules(input);
    } catch (cause) {
      await clearGround(dir);
      throw new Error(`ground ${name} did not come up: ${messageOf(cause)} (logs: ${join(dir, 'logs')})`, {
        cause,
      });
    }
  });
}

/** The ground of that name, brought up by another process. Throws when there is none. */
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

/** Ends the ground of that name, or its remains. Does nothing where there is none. */
export async function down(
  name: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> {
  const dir = groundDir(env, name);
  if (existsSync(dir)) await withLock(`${dir}.lock`, `ground ${name}`, () => clearGround(dir));
}
