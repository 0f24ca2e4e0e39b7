import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadIntoKind } from '../backends/kindcluster.ts';
import type { Ground } from '../cluster.ts';
import { snapshotter } from '../node/containerd.ts';
import { ctr } from '../node/node.ts';
import { componentsImage, pauseImage } from './image.ts';

// Through containerd's transfer service, ctr's default, it takes twice as long.
const IMPORT = ['images', 'import', '--local'];

/** Builds our components' image if it has changed, and loads it on the real node. Returns the path of its tar. */
export async function loadComponents(ground: Ground): Promise<string> {
  const path = await componentsImage(ground.cache);
  await loadImage(ground, path);
  return path;
}

/** Loads the image that holds pods' namespaces on the real node. */
export async function loadPause(ground: Ground): Promise<void> {
  await loadImage(ground, await pauseImage(ground.cache, await ground.program('pause')));
}

/**
 * Loads an image from a tar of buildImage on the real node. A later image of the same name replaces it for new pods;
 * one that is there already costs nothing.
 */
export async function loadImage(ground: Ground, path: string): Promise<void> {
  const loaded = join(ground.dir, 'images', basename(path).replace(/-[0-9a-f]+\.tar$/, ''));
  if (readIfThere(loaded) === path) return;
  if (ground.backend === 'kind') await loadIntoKind(ground, path);
  else await ctr(ground, [...IMPORT, `--snapshotter=${snapshotter()}`, path]);
  mkdirSync(join(ground.dir, 'images'), { recursive: true });
  writeFileSync(loaded, path);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
