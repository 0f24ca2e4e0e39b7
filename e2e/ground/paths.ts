import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** The folder with one folder per ground. It is short, because a unix socket's path has at most 107 bytes. */
export function stateRoot(env: Environment): string {
  return env.GROUND_STATE_DIR ?? '/var/tmp/precision-packer';
}

/** The folder of builds that all checkouts share. */
export function cacheRoot(env: Environment): string {
  return join(env.XDG_CACHE_HOME ?? join(env.HOME ?? homedir(), '.cache'), 'precision-packer', 'ground');
}

/**
 * The folder in which Node keeps the modules that it has compiled, for NODE_COMPILE_CACHE. A run starts thousands of processes that
 * import the same files, and with this each file is stripped of its types and compiled once.
 */
export const COMPILED = join(tmpdir(), 'precision-packer-compiled');

/** The folder of one ground. Throws when the name can't be part of an address or of a socket's path. */
export function groundDir(env: Environment, name: string): string {
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(name)) {
    throw new Error(
      `a ground is named by 1 to 16 lower-case letters, digits and dashes, not ${JSON.stringify(name)}`,
    );
  }
  return join(stateRoot(env), name);
}
