import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';

/** A file of the image that comes from the machine which builds it, and the system's package that it belongs to. */
export interface SystemFile {
  readonly path: string;
  /** Where it is on this machine, if not at the same path. */
  readonly from?: string;
  readonly sha256: string;
  readonly owner?: {
    readonly name: string;
    readonly version: string;
    readonly arch: string;
    /** The ID of /etc/os-release. */
    readonly distribution: string;
  };
}

/** Paths of the libraries in ldd's output; the kernel's own library has none. */
export function librariesIn(ldd: string): string[] {
  return ldd.split('\n').flatMap((line) => /(?:=>\s*|^\s+)(\/\S+)\s+\(0x/.exec(line)?.[1] ?? []);
}

export const distribution = (): string => {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID="?([a-z0-9.-]+)/m.exec(text)?.[1] ?? 'linux';
};

const dpkgQuery = (...args: readonly string[]): string[] => {
  // It ends with 1 when it does not know one of several, and is not there on another system.
  const { stdout } = spawnSync('dpkg-query', args, { encoding: 'utf8' });
  return (stdout ?? '').split('\n').filter((line) => line !== '');
};

const namesOf = (path: string): string[] => {
  const real = realpathSync(path);
  return [...new Set([path, real, real.replace(/^\/usr\//, '/')])];
};

/** Debian's packages of files, by path; none elsewhere, and none for files that no package has. */
const ownersOf = (paths: readonly string[]): ReadonlyMap<string, SystemFile['owner']> => {
  const packageOf = new Map(
    dpkgQuery('--search', ...paths.flatMap(namesOf)).map((line) => {
      const [name = '', path = ''] = line.split(': ');
      return [path, name] as const;
    }),
  );
  const format = ['Package', 'Version', 'Architecture'].map((field) => `$\{${field}}`).join('\\t');
  const names = [...new Set(packageOf.values())];
  const shown = names.length > 0 ? dpkgQuery('--show', `--showformat=${format}\\n`, ...names) : [];
  const owners = new Map(
    shown.map((line) => {
      const [name = '', version = '', arch = ''] = line.split('\t');
      return [name, { name, version, arch, distribution: distribution() }] as const;
    }),
  );
  return new Map(
    paths.flatMap((path) => {
      const name = namesOf(path).flatMap((each) => packageOf.get(each) ?? [])[0];
      const owner = owners.get((name ?? '').replace(/:.*$/, ''));
      return owner ? [[path, owner] as const] : [];
    }),
  );
};

/** Files of this machine, each with its digest and package. */
export function systemFiles(paths: readonly string[]): SystemFile[] {
  const owners = ownersOf(paths);
  return paths.map((path) => {
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    const owner = owners.get(path);
    return { path, sha256, ...(owner && { owner }) };
  });
}

/** The terms of a system's package, where it has them. */
export const termsOf = ({ owner }: SystemFile): string | undefined => {
  const path = `/usr/share/doc/${owner?.name}/copyright`;
  return owner && existsSync(path) ? path : undefined;
};
