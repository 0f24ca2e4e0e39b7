import { createHash } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../host/command.ts';
import type { LayerPlan } from './oci.ts';

/**
 * Folder in which Node finds the modules that were compiled when the image was made; the image sets NODE_COMPILE_CACHE.
 */
export const COMPILE_CACHE = '/app/.compile-cache';

/**
 * Compiled code holds hashes of strings, whose seed is random, and in its padding what the garbage collector left in
 * memory, so none runs. V8 leaves these flags out of what it compares before it uses compiled code.
 */
const REPEATABLE = [
  '--random-seed=1',
  '--predictable',
  '--min-semi-space-size=512',
  '--max-semi-space-size=512',
  '--no-memory-reducer',
];

const MAINS = ['kentroller/main.ts', 'extender/main.ts', 'webhook/main.ts', 'webhook/keeper/main.ts'];

/** Node keys compiled code by the path of the module, so it has to run in a root like the container's. */
export const canCompile = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

/** The user and flags of the image's containers. Compiled code is found again only with the same ones. */
export interface Running {
  readonly uid: number;
  readonly nodeFlags: readonly string[];
}

/** Runs each component's --help in this root as its container would, which stores the compiled modules. */
const compile = async (root: string, { uid, nodeFlags }: Running): Promise<void> => {
  const cache = join(root, COMPILE_CACHE);
  mkdirSync(cache, { recursive: true });
  chownSync(cache, uid, uid);
  for (const main of MAINS) {
    if (!existsSync(join(root, 'app', main))) continue;
    // Nothing of this process's environment is passed on: its NODE_OPTIONS may name files that the image lacks.
    const env = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', `NODE_COMPILE_CACHE=${COMPILE_CACHE}`];
    const node = ['chroot', `--userspec=${uid}:${uid}`, root, '/usr/bin/node', ...nodeFlags, ...REPEATABLE];
    await run([...env, ...node, `/app/${main}`, '--help']);
  }
};

/**
 * A layer with our components' modules as compiled by Node: a component needs 30 MB less with it and starts sooner.
 * `below` are the other layers, lowest first, which are unpacked into a root below `folder` meanwhile.
 */
export const compileCacheLayer = (
  below: readonly LayerPlan[],
  folder: string,
  running: Running,
): LayerPlan => {
  const key = createHash('sha256')
    .update(JSON.stringify([running, REPEATABLE, below.map((layer) => layer.key)]))
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
        // Users other than root need access, as the layers give it to them.
        await run(['chmod', '-R', 'u+rwX,go+rX,go-w', root]);
        await compile(root, running);
        mkdirSync(join(target, 'app'), { recursive: true });
        cpSync(join(root, COMPILE_CACHE), join(target, COMPILE_CACHE), { recursive: true });
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
  };
};
