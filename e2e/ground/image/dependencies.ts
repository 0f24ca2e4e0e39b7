/** The part of package-lock.json (version 3) that says what is installed for what. */
export interface Lockfile {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string;
        readonly dev?: boolean;
        readonly devOptional?: boolean;
        readonly link?: boolean;
      }
    >
  >;
}

/** The folders, relative to the root, of all packages that the components need to run. */
export function productionFolders(lockfile: Lockfile): string[] {
  return Object.entries(lockfile.packages)
    .filter(
      ([path, entry]) =>
        path !== '' && entry.dev !== true && entry.devOptional !== true && entry.link !== true,
    )
    .map(([path]) => path)
    .sort();
}

const UNUSED_FILE = /\.(map|md|markdown|d\.[cm]?ts|flow|tsbuildinfo|coffee)$/i;
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

/** Whether a file of a package, named relative to the package, is read by nobody at run time. */
export function isUnusedAtRunTime(path: string): boolean {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  // A folder's name says what is in it at a package's top alone; deeper down it may be a module called so.
  return UNUSED_FILE.test(name) || (parts[0] !== undefined && UNUSED_FOLDER.has(parts[0]));
}
