import { statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { npmTarballs } from '../ground/image/tarballs.ts';
import { cacheRoot } from '../ground/paths.ts';
import { buildPackage } from './build.ts';

/** `make package`: the package into the folder `dist`. `--uri` is where krew will fetch it once it is published. */
const ROOT = join(import.meta.dirname, '..', '..');
const { uri } = parseArgs({ options: { uri: { type: 'string' } } }).values;
const tarballs = npmTarballs(join(cacheRoot(process.env), 'tarballs'));
const { tarball, krewManifest } = await buildPackage(ROOT, { tarballs, out: join(ROOT, 'dist'), uri });
process.stdout.write(
  `${relative('.', tarball)}  ${(statSync(tarball).size / 2 ** 20).toFixed(1)} MiB, for npm and krew\n${relative('.', krewManifest)}  the manifest for krew\n`,
);
