import {
  dependenciesOf,
  type LockedPackage,
  type Lockfile,
  productionPackages,
} from '../ground/image/dependencies.ts';

/** The locked packages of these names and all that they need. Throws when one is not a production dependency. */
export const closureOf = (lockfile: Lockfile, names: readonly string[]): readonly LockedPackage[] => {
  const locked = new Map(productionPackages(lockfile).map((each) => [each.folder, each]));
  const found = new Map<string, LockedPackage>();
  const open = names.map((name) => `node_modules/${name}`);
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    if (found.has(folder)) continue;
    const each = locked.get(folder);
    if (!each) throw new Error(`package-lock.json has no ${folder} among production dependencies`);
    found.set(folder, each);
    open.push(...dependenciesOf(lockfile, folder));
  }
  return [...found.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1));
};
