import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from '../host/command.ts';
import { type Architecture, ownArchitecture } from './architecture.ts';
import type { LockedPackage } from './dependencies.ts';
import { foreignLibraries } from './foreignlibraries.ts';
import type { LayerPlan } from './oci.ts';
import { packageFiles } from './packagefiles.ts';
import { librariesIn, type SystemFile, systemFiles, termsOf } from './systemfiles.ts';
import type { Tarballs } from './tarballs.ts';

/** The user of the image's containers. */
export const USER = '65532';
export const CERTIFICATES = 'etc/ssl/certs/ca-certificates.crt';
export const SBOM = 'sbom.cdx.json';

const COMPONENTS = ['api', 'kube', 'planner', 'cloud', 'extender', 'webhook', 'kentroller', 'cli'];

export function keyOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/** A hash of the rules by which a layer's content is chosen. */
const RULES = keyOf(
  ['layers.ts', 'dependencies.ts', 'packagefiles.ts', 'entrypoints.ts'].map((name) =>
    readFileSync(join(import.meta.dirname, name), 'utf8'),
  ),
);

/** Node as its package has it, unpacked once. */
export interface NodeFiles {
  readonly binary: string;
  readonly license: string;
  /** SHA-256 of the binary. */
  readonly sha256: string;
}

export async function nodeFiles(node: LockedPackage, tarballs: Tarballs, images: string): Promise<NodeFiles> {
  const folder = join(images, `node-${keyOf(node.integrity)}`);
  if (!existsSync(folder)) {
    await tarballs.fetch([node]);
    mkdirSync(images, { recursive: true });
    const work = mkdtempSync(join(images, 'work-'));
    for (const file of tarballs.files(node)) {
      const name = { 'bin/node': 'node', LICENSE: 'LICENSE' }[file.path];
      if (name === undefined) continue;
      writeFileSync(join(work, name), file.bytes, { mode: file.isExecutable ? 0o755 : 0o644 });
      if (name === 'node')
        writeFileSync(join(work, 'sha256'), createHash('sha256').update(file.bytes).digest('hex'));
    }
    renameSync(work, folder);
  }
  return {
    binary: join(folder, 'node'),
    license: join(folder, 'LICENSE'),
    sha256: readFileSync(join(folder, 'sha256'), 'utf8'),
  };
}

/** The files of this machine that the image needs: what the Node binary is linked to, and the trusted authorities. */
export async function systemFilesFor(
  binary: string,
  architecture: Architecture,
  images: string,
): Promise<SystemFile[]> {
  const isOwn = architecture === ownArchitecture();
  const own = isOwn ? librariesIn(await run(['ldd', binary])) : [];
  const foreign = isOwn ? [] : await foreignLibraries(binary, architecture, images);
  if (existsSync(`/${CERTIFICATES}`)) own.push(`/${CERTIFICATES}`);
  return [...foreign, ...systemFiles(own)];
}

export function baseLayer(node: NodeFiles, system: readonly SystemFile[]): LayerPlan {
  return {
    name: 'base',
    key: keyOf([RULES, node.sha256, system.map(({ path, sha256, owner }) => ({ path, sha256, owner }))]),
    async fill(folder) {
      mkdirSync(join(folder, 'usr', 'bin'), { recursive: true });
      linkOrCopy(node.binary, join(folder, 'usr', 'bin', 'node'));
      for (const place of ['etc/ssl/certs', 'tmp', 'app'])
        mkdirSync(join(folder, place), { recursive: true });
      for (const { path, from = path } of system) copyExecutable(from, join(folder, path));
      if (existsSync(join(folder, CERTIFICATES))) chmodSync(join(folder, CERTIFICATES), 0o644);
      writeFileSync(
        join(folder, 'etc/passwd'),
        `root:x:0:0::/:/none\nnonroot:x:${USER}:${USER}::/app:/none\n`,
      );
      writeFileSync(join(folder, 'etc/group'), `root:x:0:\nnonroot:x:${USER}:\n`);
      writeFileSync(join(folder, 'etc/nsswitch.conf'), 'hosts: files dns\n');
    },
  };
}

/** The packages that the components need, from their tarballs, each with its terms. */
export function dependenciesLayer(
  packages: readonly LockedPackage[],
  tarballs: Tarballs,
  root: string,
): LayerPlan {
  return {
    name: 'dependencies',
    key: keyOf([RULES, packages]),
    async fill(target) {
      await tarballs.fetch(packages);
      for (const locked of packages)
        for (const file of packageFiles(locked, tarballs, root))
          write(join(target, 'app', locked.folder, file.path), file.bytes, file.isExecutable ? 0o755 : 0o644);
    },
  };
}

/** What the image is made of, and the terms of what is no package. */
export function documentsLayer(o: {
  readonly root: string;
  readonly sbom: string;
  readonly node: NodeFiles;
  readonly system: readonly SystemFile[];
}): LayerPlan {
  const terms: [string, string][] = [
    ['LICENSE', join(o.root, 'LICENSE')],
    ['node/LICENSE', o.node.license],
    ...o.system.flatMap((file): [string, string][] => {
      const from = termsOf(file);
      return from === undefined ? [] : [[`${file.owner?.name}/copyright`, from]];
    }),
  ];
  const texts = terms
    .filter(([, from]) => existsSync(from))
    .map(([to, from]) => [to, readFileSync(from, 'utf8')] as const);
  return {
    name: 'documents',
    key: keyOf([o.sbom, texts]),
    async fill(folder) {
      writeFileSync(join(folder, SBOM), o.sbom);
      for (const [to, text] of texts) {
        write(join(folder, 'licenses', to), text);
      }
    },
  };
}

export function sourcesLayer(root: string): LayerPlan {
  const own = COMPONENTS.flatMap((component) =>
    filesBelow(join(root, component))
      .filter((path) => !/\.test\.ts$/.test(path))
      .map((path) => join(component, path)),
  );
  // Read once: a file that changes meanwhile must not end up under the key of its earlier content.
  const files = ['package.json', ...own].map((path) => [path, readFileSync(join(root, path))] as const);
  return {
    name: 'sources',
    key: keyOf(files.map(([path, text]) => [path, createHash('sha256').update(text).digest('hex')])),
    async fill(folder) {
      for (const [path, text] of files) {
        write(join(folder, 'app', path), text);
      }
    },
  };
}

/** Paths of all files below a folder, relative to it. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function write(path: string, content: Buffer | string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode });
}

/** A hard link where the file system allows it: the file is large, and never written. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

function copyExecutable(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

/** A layer with one executable at the root. */
export function executableLayer(name: string, path: string, key: string): LayerPlan {
  return { name, key, fill: async (folder) => copyExecutable(path, join(folder, name)) };
}
