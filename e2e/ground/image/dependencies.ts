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

/** Whether nothing reads a package's file, named relative to the package, at run time. */
export function isUnusedAtRunTime(path: string): boolean {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  // A folder's name is telling only at a package's top; deeper down it may be a module of that name.
  return UNUSED_FILE.test(name) || (parts[0] !== undefined && UNUSED_FOLDER.has(parts[0]));
}
