import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { run } from '../host/command.ts';
import type { LockedPackage } from './dependencies.ts';
import { type TarFile, untar } from './untar.ts';

/**
 * Packages as they were published. What lies in node_modules may have been changed since; a tarball is what
 * package-lock.json says, or it is not used.
 */
export interface Tarballs {
  /** Gets those that are not on this machine, all at once. Throws when a tarball is not the locked one. */
  fetch(packages: readonly LockedPackage[]): Promise<void>;
  /** The files of a fetched package. Throws when nobody has the locked tarball. */
  files(locked: LockedPackage): Iterable<TarFile>;
}

const digestOf = ({ integrity }: LockedPackage): string =>
  Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');

const idOf = ({ name, version }: LockedPackage): string => `${name}@${version}`;

/** The bytes of a file when they have the digest. */
const readVerified = (path: string, digest: string): Buffer | undefined => {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  return createHash('sha512').update(bytes).digest('hex') === digest ? bytes : undefined;
};

/** Tarballs from npm's cache, which npm ci fills, else from the registry; those are kept in `folder`. */
export function npmTarballs(folder: string, cacheFolder: () => Promise<string> = npmCache): Tarballs {
  let known: string | undefined;
  const read = (locked: LockedPackage): Buffer | undefined => {
    const digest = digestOf(locked);
    const cached = join(
      known ?? folder,
      '_cacache',
      'content-v2',
      'sha512',
      digest.slice(0, 2),
      digest.slice(2, 4),
    );
    return (
      readVerified(join(cached, digest.slice(4)), digest) ??
      readVerified(join(folder, `${digest}.tgz`), digest)
    );
  };
  return {
    fetch: async (packages) => {
      known ??= await cacheFolder();
      const missing = packages.filter((locked) => read(locked) === undefined);
      if (missing.length === 0) return;
      mkdirSync(folder, { recursive: true });
      const arrived = mkdtempSync(join(folder, 'arrived-'));
      try {
        const ids = [...new Set(missing.map(idOf))];
        await run(['npm', 'pack', '--ignore-scripts', '--silent', `--pack-destination=${arrived}`, ...ids]);
        for (const name of readdirSync(arrived)) {
          const path = join(arrived, name);
          const digest = createHash('sha512').update(readFileSync(path)).digest('hex');
          renameSync(path, join(folder, `${digest}.tgz`));
        }
      } finally {
        rmSync(arrived, { recursive: true, force: true });
      }
      const wrong = missing.filter((locked) => read(locked) === undefined).map(idOf);
      if (wrong.length > 0)
        throw new Error(
          `what came for ${wrong.join(', ')} is not what package-lock.json says: nothing is built`,
        );
    },
    files: (locked) => {
      const bytes = read(locked);
      if (!bytes) throw new Error(`the tarball of ${idOf(locked)} that package-lock.json names is not here`);
      return untar(gunzipSync(bytes));
    },
  };
}

/** The folder of npm's cache. */
export const npmCache = async (): Promise<string> => (await run(['npm', 'config', 'get', 'cache'])).trim();
