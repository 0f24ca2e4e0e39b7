import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Ground } from '../ground/ground.ts';
import { ownArchitecture } from '../ground/image/architecture.ts';
import { REGISTRY } from './registry.ts';

/** Releases of ours as `make push` makes them. */

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
