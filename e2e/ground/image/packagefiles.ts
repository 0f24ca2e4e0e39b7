import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLicence, isUnusedAtRunTime, type LockedPackage } from './dependencies.ts';
import { type EntryManifest, foldersForBundlers } from './entrypoints.ts';
import type { Tarballs } from './tarballs.ts';
import type { TarFile } from './untar.ts';

interface Manifest extends EntryManifest {
  readonly author?: string | { readonly name?: string };
}

const manifestIn = (files: readonly TarFile[]): Manifest =>
  JSON.parse(files.find(({ path }) => path === 'package.json')?.bytes.toString('utf8') ?? '{}');

/** The files of a package that are needed to run it, and its terms. `root` is the checkout's. */
export const packageFiles = (locked: LockedPackage, tarballs: Tarballs, root: string): readonly TarFile[] => {
  // Packages within a package are listed themselves, if they are needed.
  const own = [...tarballs.files(locked)].filter(({ path }) => !path.split('/').includes('node_modules'));
  const unused = foldersForBundlers(manifestIn(own));
  const files = own.filter(
    ({ path }) => !isUnusedAtRunTime(path) && (isLicence(path) || !unused.has(path.split('/', 1).join(''))),
  );
  if (files.some(({ path }) => isLicence(path))) return files;
  const bytes = Buffer.from(standardTerms(locked, files, root));
  return [...files, { path: 'LICENSE', bytes, isExecutable: false }];
};

/** The terms of a package that names a licence and ships no text. Throws where we have none either. */
const standardTerms = (locked: LockedPackage, files: readonly TarFile[], root: string): string => {
  const { name, version, license } = locked;
  const standard =
    license === 'Apache-2.0'
      ? join(root, 'LICENSE')
      : join(import.meta.dirname, 'terms', `${license.replaceAll(/[^A-Za-z0-9.-]/g, '_')}.txt`);
  if (!existsSync(standard))
    throw new Error(`${name} ${version} ships no licence: put the text of ${license} into ${standard}`);
  const { author } = manifestIn(files);
  const by = typeof author === 'string' ? author : author?.name;
  return `${name} ${version} is published under ${license}${by ? ` by ${by}` : ''}, without a text of it. It says:\n\n${readFileSync(standard, 'utf8')}`;
};
