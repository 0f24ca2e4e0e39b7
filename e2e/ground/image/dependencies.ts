/** The parts of package-lock.json (version 3) that say what is installed for what, and what it must be. */
export interface LockEntry {
  readonly version?: string;
  /** The tarball's digest, such as `sha512-…`. */
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

/** A package as it lies in the image. */
export interface LockedPackage {
  /** Relative to the root: `node_modules/a/node_modules/b`. */
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  /** An SPDX identifier or expression, as the package declares it. */
  readonly license: string;
}

const nameOf = (folder: string): string => folder.slice(folder.lastIndexOf('node_modules/') + 13);

const lockedPackage = (folder: string, entry: LockEntry): LockedPackage => {
  const { version, integrity, license = 'NOASSERTION' } = entry;
  if (version === undefined || !integrity?.startsWith('sha512-'))
    throw new Error(`package-lock.json has no version or no sha512 of ${folder}: install it again`);
  return { folder, name: nameOf(folder), version, integrity, license };
};

/** Node itself comes as a package for each platform. */
const NODE = /^node_modules\/node-(bin-)?(linux|darwin|win)-[a-z0-9]+$/;

/** The package with the Node binary of the image. Throws when it is not locked. */
export function nodePackage(lockfile: Lockfile, arch = process.arch): LockedPackage {
  const folder = `node_modules/node-linux-${arch}`;
  const entry = lockfile.packages[folder];
  if (!entry) throw new Error(`package-lock.json has no ${folder}: the image can't be built for ${arch}`);
  return lockedPackage(folder, entry);
}

/** All packages that the components need to run, without Node itself. Throws when one is not locked. */
export function productionPackages(lockfile: Lockfile): LockedPackage[] {
  return Object.entries(lockfile.packages)
    .filter(
      ([path, entry]) =>
        path !== '' &&
        entry.dev !== true &&
        entry.devOptional !== true &&
        entry.link !== true &&
        !NODE.test(path),
    )
    .map(([path, entry]) => lockedPackage(path, entry))
    .sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

/** The folders of the packages that one in `folder` gets when it imports its dependencies; '' is the root. */
export function dependenciesOf(lockfile: Lockfile, folder: string): string[] {
  const { dependencies = {}, optionalDependencies = {} } = lockfile.packages[folder] ?? {};
  return Object.keys({ ...dependencies, ...optionalDependencies })
    .flatMap((name) => {
      for (let at = folder; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
        const found = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
        if (Object.hasOwn(lockfile.packages, found)) return [found];
        if (at === '') return [];
      }
    })
    .sort();
}

// Node strips no types within node_modules.
const UNUSED_FILE = /\.(map|md|markdown|[cm]?tsx?|flow|tsbuildinfo|coffee)$/i;
const UNUSED_FOLDER = new Set([
  'dist-types',
  'docs',
  'doc',
  'test',
  'tests',
  '__tests__',
  'example',
  'examples',
  '.github',
]);
const LICENCE_FILE = /^(licen[cs]es?|copying|notices?|copyright|patents|third[-_ ]?party.*)([-_.].*)?$/i;

/** Whether a file, by its name, holds terms that have to go with the package. */
export function isLicence(path: string): boolean {
  const name = path.split('/').at(-1) ?? '';
  return LICENCE_FILE.test(name) && !/\.([cm]?[jt]s|json|map)$/i.test(name);
}

/** Whether nothing reads a package's file, named relative to the package, at run time. */
export function isUnusedAtRunTime(path: string): boolean {
  if (isLicence(path)) return false;
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  // A folder's name is telling only at a package's top; deeper down it may be a module of that name.
  return UNUSED_FILE.test(name) || (parts[0] !== undefined && UNUSED_FOLDER.has(parts[0]));
}
