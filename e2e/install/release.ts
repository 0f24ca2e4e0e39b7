import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type t from 'tap';
import type { Ground } from '../ground/ground.ts';
import { CommandError, run } from '../ground/host/command.ts';
import { ownArchitecture } from '../ground/image/architecture.ts';
import { REGISTRY } from './registry.ts';

/** Releases of ours as `make push` makes them: this checkout, and the one before it. */

export const ROOT = resolve(import.meta.dirname, '..', '..');
const MINUTES_MS = 600_000;

export interface Release {
  /** The checkout that it was made of. */
  readonly root: string;
  /** The folder of the registry that holds it, such as `127.0.0.1:5000/now`. */
  readonly registry: string;
}

/** Runs `make push` of a checkout for this machine's architecture. */
export async function pushRelease(ground: Ground, root: string, folder: string): Promise<Release> {
  const registry = `${REGISTRY}/${folder}`;
  const architecture = `--architectures=${ownArchitecture()}`;
  await ground.exec([process.execPath, 'e2e/publish/main.ts', `--registry=${registry}`, architecture], {
    cwd: root,
    timeoutMs: MINUTES_MS,
  });
  return { root, registry };
}

/** The image of a release with its digest, as its kustomization names it. */
export async function imageOf({ root }: Release): Promise<string> {
  const text = await readFile(join(root, 'dist', 'kustomize', 'kustomization.yaml'), 'utf8');
  const [, name, digest] = /newName: (\S+)\s+digest: (\S+)/.exec(text) ?? [];
  if (name === undefined || digest === undefined) throw new Error(`no image in ${text}`);
  return `${name}@${digest}`;
}

const git = async (...args: readonly string[]): Promise<string> => {
  try {
    return (await run(['git', '-C', ROOT, ...args])).trim();
  } catch (error) {
    // A checkout without history has no release before it.
    if (error instanceof CommandError) return '';
    throw error;
  }
};

/** The commit of the last tag that `make push` can release; without one, the first commit of the history there is that it can. */
async function commitBefore(): Promise<{ readonly name: string; readonly commit: string } | undefined> {
  const tag = await git('describe', '--tags', '--abbrev=0', 'HEAD^');
  const isPublished = tag !== '' && (await git('ls-tree', tag, 'e2e/publish/main.ts')) !== '';
  if (isPublished) return { name: `tag ${tag}`, commit: await git('rev-list', '-1', tag) };
  const [first] = (await git('log', '--reverse', '--format=%H', '--', 'e2e/publish/main.ts')).split('\n');
  return first ? { name: `commit ${first.slice(0, 7)}, since no tag has charts`, commit: first } : undefined;
}

/** A checkout of the release before this one; this checkout itself where git knows none. */
export async function checkoutBefore(test: Pick<typeof t, 'comment' | 'teardown'>): Promise<string> {
  const before = await commitBefore();
  test.comment(`the release before this one: ${before?.name ?? 'this checkout, since there is no history'}`);
  if (before === undefined) return ROOT;
  const folder = mkdtempSync(join(tmpdir(), 'release-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const archive = join(folder, '.archive.tar');
  await run(['git', '-C', ROOT, 'archive', `--output=${archive}`, before.commit]);
  await run(['tar', '--extract', `--file=${archive}`, `--directory=${folder}`]);
  rmSync(archive);
  const modules = join(ROOT, 'node_modules');
  if (existsSync(modules)) symlinkSync(modules, join(folder, 'node_modules'));
  return folder;
}
