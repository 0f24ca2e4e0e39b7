import { createHash } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../host/command.ts';
import type { LayerPlan } from './oci.ts';

/** Where Node finds the modules that were compiled when the image was made; the image sets NODE_COMPILE_CACHE to it. */
export const COMPILE_CACHE = '/app/.compile-cache';

const MAINS = ['kentroller/main.ts', 'extender/main.ts', 'webhook/main.ts'];

/** Node keeps what it compiled by the path of the module, so it has to run in a root like the container's. */
export const canCompile = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

/** How a container of the image runs. What was compiled is found again by the same user with the same flags alone. */
export interface Running {
  readonly uid: number;
  readonly nodeFlags: readonly string[];
}

/** Runs each component's --help in this root as its container would, which keeps its modules as they were compiled. */
const compile = async (root: string, { uid, nodeFlags }: Running): Promise<void> => {
  const cache = join(root, COMPILE_CACHE);
  mkdirSync(cache, { recursive: true });
  chownSync(cache, uid, uid);
  for (const main of MAINS) {
    if (!existsSync(join(root, 'app', main))) continue;
    // Of this process's environment nothing is taken along: its NODE_OPTIONS may name what is not in the image.
    const env = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', `NODE_COMPILE_CACHE=${COMPILE_CACHE}`];
    const node = ['chroot', `--userspec=${uid}:${uid}`, root, '/usr/bin/node', ...nodeFlags];
    await run([...env, ...node, `/app/${main}`, '--help']);
  }
};

/**
 * A layer with our components' modules as Node has compiled them: with it a component needs some 30 MB less, since the
 * TypeScript stripper is never loaded, and starts sooner. `below` are the image's other layers, lowest first; they are laid
 * out in a root of their own below `folder` while it is made.
 */
export const compileCacheLayer = (
  below: readonly LayerPlan[],
  folder: string,
  running: Running,
): LayerPlan => {
  const key = createHash('sha256')
    .update(JSON.stringify([running, below.map((layer) => layer.key)]))
    .digest('hex')
    .slice(0, 16);
  return {
    name: 'compiled',
    key,
    async fill(target) {
      mkdirSync(folder, { recursive: true });
      const root = mkdtempSync(join(folder, 'root-'));
      try {
        for (const layer of below) await layer.fill(root);
        // Others than root have to get in.
        chmodSync(root, 0o755);
        await compile(root, running);
        mkdirSync(join(target, 'app'), { recursive: true });
        cpSync(join(root, COMPILE_CACHE), join(target, COMPILE_CACHE), { recursive: true });
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
  };
};
