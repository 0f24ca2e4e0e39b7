import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../ground/host/command.ts';
import type { Lockfile } from '../ground/image/dependencies.ts';
import { packageFiles } from '../ground/image/packagefiles.ts';
import type { Tarballs } from '../ground/image/tarballs.ts';
import { closureOf } from './closure.ts';
import { emit } from './emit.ts';
import { KUBECTL_COMMAND, krewManifest, PLUGIN } from './krew.ts';

const MAIN = 'cli/entry/bin.ts';
const BIN = 'cli/entry/bin.js';
/** The oldest Node.js that runs the package; cli/entry/bin.ts refuses older ones. */
const OLDEST_NODE = '20';
const DOCUMENTS: readonly (readonly [to: string, from: string])[] = [
  ['LICENSE', 'LICENSE'],
  ['README.md', 'docs/command-line.md'],
  ['cloud/aws/table/LICENSE', 'cloud/aws/table/LICENSE'],
];

interface Product {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

interface StagedFile {
  readonly bytes: Buffer;
  readonly isExecutable: boolean;
}

/** The package's own package.json. Its dependencies are in it, as they were locked. */
const manifestOf = (
  product: Product,
  o: { readonly packages: readonly string[]; readonly tops: readonly string[] },
) => {
  const { name, version, description, license } = product;
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    bin: { [PLUGIN]: BIN, [KUBECTL_COMMAND]: BIN },
    engines: { node: `>=${OLDEST_NODE}` },
    files: [...o.tops],
    dependencies: Object.fromEntries(
      Object.entries(product.dependencies).filter(([each]) => o.packages.includes(each)),
    ),
    bundleDependencies: [...o.packages],
  };
};

/** All files of the package, by path. */
export const packageContents = async (
  root: string,
  tarballs: Tarballs,
): Promise<ReadonlyMap<string, StagedFile>> => {
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
  const product = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Product;
  const { files, packages } = await emit(root, MAIN);
  const locked = closureOf(lockfile, packages);
  await tarballs.fetch(locked);
  const tops = [...new Set([...files.keys()].map((path) => path.split('/', 1).join('')))].sort();
  const manifest = `${JSON.stringify(manifestOf(product, { packages, tops }), undefined, 2)}\n`;
  const plain = (bytes: Buffer): StagedFile => ({ bytes, isExecutable: false });
  return new Map([
    ...[...files].map(([path, bytes]) => [path, { bytes, isExecutable: path === BIN }] as const),
    ...DOCUMENTS.map(([to, from]) => [to, plain(readFileSync(join(root, from)))] as const),
    ['package.json', plain(Buffer.from(manifest))] as const,
    ...locked.flatMap((each) =>
      packageFiles(each, tarballs, root).map(
        ({ path, bytes, isExecutable }) => [join(each.folder, path), { bytes, isExecutable }] as const,
      ),
    ),
  ]);
};

/** Where a build of the package lies. */
export interface BuiltPackage {
  readonly tarball: string;
  readonly krewManifest: string;
}

/**
 * Builds the package by `npm pack`, and the manifest by which krew installs the same tarball, into `out`. `uri` is where
 * krew will fetch it; the file's name while it is published nowhere.
 */
export const buildPackage = async (
  root: string,
  o: { readonly tarballs: Tarballs; readonly out: string; readonly uri?: string | undefined },
): Promise<BuiltPackage> => {
  const stage = mkdtempSync(join(tmpdir(), 'package-'));
  try {
    for (const [path, { bytes, isExecutable }] of await packageContents(root, o.tarballs)) {
      mkdirSync(dirname(join(stage, path)), { recursive: true });
      writeFileSync(join(stage, path), bytes);
      // Whatever the umask is.
      chmodSync(join(stage, path), isExecutable ? 0o755 : 0o644);
    }
    mkdirSync(o.out, { recursive: true });
    const answer = await run(
      ['npm', 'pack', '--json', '--ignore-scripts', `--pack-destination=${o.out}`, stage],
      { cwd: stage },
    );
    const [packed] = JSON.parse(answer) as readonly { readonly filename: string; readonly version: string }[];
    if (!packed) throw new Error('npm pack made no tarball');
    const tarball = join(o.out, packed.filename);
    const sha256 = createHash('sha256').update(readFileSync(tarball)).digest('hex');
    const manifest = join(o.out, `${PLUGIN}.yaml`);
    const uri = o.uri || packed.filename;
    writeFileSync(
      manifest,
      krewManifest({ version: packed.version, uri, sha256, bin: BIN, oldestNode: OLDEST_NODE }),
    );
    return { tarball, krewManifest: manifest };
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
};
