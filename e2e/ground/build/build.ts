import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { hasDocker } from '../backend.ts';
import { run } from '../host/command.ts';
import type { Progress } from '../host/progress.ts';
import { type Program, programNamed } from './programs.ts';

export interface BuildOptions {
  readonly cache: string;
  readonly progress: Progress;
}

const MODULES = join(import.meta.dirname, '../go');
const KEPT_UNUSED_MS = 14 * 24 * 3_600_000;

/** Paths of the built programs of these names; missing ones are built first, one at a time. */
export async function buildPrograms(
  names: readonly string[],
  options: BuildOptions,
): Promise<Map<string, string>> {
  const go = await findGo(options.cache);
  const paths = new Map<string, string>();
  for (const name of names) paths.set(name, await buildProgram(programNamed(name), go, options));
  return paths;
}

/** One hash of everything that a program is made of: sources, versions of its module, compiler and flags. */
export function programHash(
  program: Program,
  goVersion: string,
  sources: ReadonlyMap<string, string>,
): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([goVersion, program.package, program.ldflags, program.tags, program.cgo]));
  for (const [path, text] of [...sources].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`\0${path}\0${text.length}\0${text}`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Our files that determine the program: go.mod, go.sum, and the folder of its main if that is ours. */
export function sourcesOf(program: Program, modules = MODULES): Map<string, string> {
  const root = join(modules, program.module);
  const paths = ['go.mod', 'go.sum'].filter((name) => existsSync(join(root, name)));
  if (program.package === '.') {
    paths.push(...readdirSync(root).filter((name) => name.endsWith('.go')));
  } else if (program.package.startsWith('./')) {
    const folder = join(root, program.package);
    const found = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
    paths.push(...found.filter((name) => name.endsWith('.go')).map((name) => join(program.package, name)));
  }
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

async function buildProgram(program: Program, go: Go, options: BuildOptions): Promise<string> {
  const versions = join(options.cache, 'bin', program.name);
  const folder = join(versions, programHash(program, go.version, sourcesOf(program)));
  const path = join(folder, program.name);
  if (existsSync(path)) {
    const now = new Date();
    utimesSync(folder, now, now);
    return path;
  }
  mkdirSync(folder, { recursive: true });
  const flags = ['-trimpath', '-ldflags', program.ldflags, '-tags', program.tags.join(',')];
  const build = ['build', '-o', `${path}.part`, ...flags, program.package];
  // One build at a time on the machine: two large links need more memory than many machines have.
  const once = 'out=$1; shift; test -x "$out" || { "$@" && mv "$out.part" "$out"; }';
  const cwd = join(MODULES, program.module);
  await options.progress.during(`build ${program.name}`, () =>
    run(
      [
        'flock',
        join(options.cache, 'lock'),
        'sh',
        '-c',
        once,
        'sh',
        path,
        ...go.command(cwd, program.cgo),
        ...build,
      ],
      { cwd, env: goEnv(program.cgo) },
    ),
  );
  dropUnused(versions, folder);
  return path;
}

/** A Go compiler: the machine's own, or the one in Go's image. */
interface Go {
  readonly version: string;
  command(cwd: string, cgo: boolean): string[];
}

const GO_IMAGE = 'golang:1.26.8';
const INSTALL_GO = 'install Go 1.26 or newer from https://go.dev/dl and put it on the PATH';

async function findGo(cache: string): Promise<Go> {
  let version: string;
  try {
    version = await run(['go', 'env', 'GOVERSION', 'GOOS', 'GOARCH'], { env: goEnv(false) });
  } catch (cause) {
    if (process.platform === 'linux' && (await hasDocker())) return goInDocker(cache);
    throw new Error(`Go is missing: ${INSTALL_GO}`, { cause });
  }
  if (!isNewEnough(version)) throw new Error(`${version.split('\n')[0]} is too old: ${INSTALL_GO}`);
  return { version: version.trim(), command: () => ['go'] };
}

/** Whether a Go version, as `go env GOVERSION` prints it, can build all modules. */
export function isNewEnough(version: string): boolean {
  const minor = /^go1\.(\d+)/.exec(version)?.[1];
  // A compiler built from its own sources names no release.
  return minor === undefined || Number(minor) >= 26;
}

function goInDocker(cache: string): Go {
  const folders = { GOCACHE: join(cache, 'go-build'), GOMODCACHE: join(cache, 'go-mod') };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  return {
    version: GO_IMAGE,
    command: (cwd, cgo) => [
      ...['docker', 'run', '--rm', `--user=${user}`, `--workdir=${cwd}`],
      ...[`--volume=${MODULES}:${MODULES}:ro`, `--volume=${cache}:${cache}`],
      ...Object.entries({ ...goEnv(cgo), ...folders }).map(([name, value]) => `--env=${name}=${value}`),
      ...[GO_IMAGE, 'go'],
    ],
  };
}

function goEnv(cgo: boolean): Record<string, string> {
  return { CGO_ENABLED: cgo ? '1' : '0', GOFLAGS: '-buildvcs=false', GOTOOLCHAIN: 'local' };
}

function dropUnused(versions: string, current: string): void {
  for (const name of readdirSync(versions)) {
    const folder = join(versions, name);
    if (folder !== current && Date.now() - statSync(folder).mtimeMs > KEPT_UNUSED_MS) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
