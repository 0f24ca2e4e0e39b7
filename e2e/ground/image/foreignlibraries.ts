import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { run } from '../host/command.ts';
import type { Architecture } from './architecture.ts';
import { librariesOf } from './elf.ts';
import { distribution, type SystemFile } from './systemfiles.ts';

/** The libraries of an architecture that this machine is not of, by apt from the Debian that this machine is set up for. */

const TRIPLET: Readonly<Record<Architecture, string>> = {
  amd64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
};
const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1'];
/** Two builds within it have the same libraries; after it, security updates come in. */
const KEPT_MS = 7 * 24 * 3_600_000;

/** Debian's loaders look into `/lib/TRIPLET`, and are named by programs with this path. */
const placeOf = (library: string, architecture: Architecture): string =>
  library.startsWith('ld-linux')
    ? `/${architecture === 'amd64' ? 'lib64' : 'lib'}/${library}`
    : `/lib/${TRIPLET[architecture]}/${library}`;

/** The libraries that a program needs, with those that they need. `cache` keeps the packages, by their version. */
export async function foreignLibraries(
  program: string,
  architecture: Architecture,
  cache: string,
): Promise<SystemFile[]> {
  const owners = new Map<
    string,
    { readonly from: string; readonly owner: NonNullable<SystemFile['owner']> }
  >();
  for (const { folder, owner } of await packages(architecture, cache)) {
    for (const place of ['lib', 'usr/lib']) {
      const libraries = join(folder, place, TRIPLET[architecture]);
      for (const file of existsSync(libraries) ? readdirSync(libraries) : [])
        owners.set(file, { from: join(libraries, file), owner });
    }
  }
  const files = new Map<string, SystemFile>();
  const open = librariesOf(readFileSync(program));
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const path = placeOf(name, architecture);
    if (files.has(path)) continue;
    const found = owners.get(name);
    if (!found)
      throw new Error(
        `${program} needs ${name}, which ${PACKAGES.join(', ')} for ${architecture} do not have`,
      );
    const bytes = readFileSync(found.from);
    files.set(path, { path, sha256: createHash('sha256').update(bytes).digest('hex'), ...found });
    open.push(...librariesOf(bytes));
  }
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Unpacked {
  readonly folder: string;
  readonly owner: NonNullable<SystemFile['owner']>;
}

async function packages(architecture: Architecture, cache: string): Promise<Unpacked[]> {
  const folder = join(cache, `libraries-${architecture}`);
  if (!existsSync(folder) || Date.now() - statSync(folder).mtimeMs > KEPT_MS)
    await download(architecture, folder);
  return readdirSync(folder).map((name) => {
    const [pkg = '', version = ''] = name.split('_');
    const owner = { name: pkg, version: decodeURIComponent(version), arch: architecture };
    return { folder: join(folder, name), owner: { ...owner, distribution: distribution() } };
  });
}

/** apt with state of its own: this machine's lists and architectures stay as they are. */
function apt(architecture: Architecture, state: string): readonly string[] {
  for (const each of ['lists/partial', 'archives/partial']) mkdirSync(join(state, each), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const options = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures::=${architecture}`,
    `Dir::State=${state}`,
    `Dir::State::Lists=${join(state, 'lists')}`,
    `Dir::State::status=${join(state, 'status')}`,
    `Dir::Cache=${state}`,
    'Acquire::Languages=none',
    'APT::Sandbox::User=root',
  ];
  return ['apt-get', '-qq', ...options.flatMap((option) => ['-o', option])];
}

async function download(architecture: Architecture, folder: string): Promise<void> {
  mkdirSync(join(folder, '..'), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  try {
    const [debs, unpacked] = [join(work, 'debs'), join(work, 'unpacked')];
    for (const each of [debs, unpacked]) mkdirSync(each);
    const aptGet = apt(architecture, join(work, 'apt'));
    try {
      await run([...aptGet, 'update']);
      await run([...aptGet, 'download', ...PACKAGES], { cwd: debs });
    } catch (cause) {
      const names = PACKAGES.join(', ');
      const hint = `an image for ${architecture} needs ${names} of Debian: build on Debian, or with ARCHITECTURES of this machine alone`;
      throw new Error(hint, { cause });
    }
    for (const deb of readdirSync(debs))
      await run(['dpkg-deb', '--extract', join(debs, deb), join(unpacked, deb.replace(/_[^_]*\.deb$/, ''))]);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unpacked, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
