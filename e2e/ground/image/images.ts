import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadIntoKind } from '../backends/kindcluster.ts';
import type { Ground } from '../cluster.ts';
import { snapshotter } from '../node/containerd.ts';
import { ctr } from '../node/node.ts';
import { componentsImage, pauseImage } from './image.ts';

// Through containerd's transfer service, ctr's default, it takes twice as long.
const IMPORT = ['images', 'import', '--local'];

/** Builds our components' image where it has changed, and gives it to the real node. Answers with the path of its tar. */
export async function loadComponents(ground: Ground): Promise<string> {
  const path = await componentsImage(ground.cache);
  await loadImage(ground, path);
  return path;
}

/** Gives the real node the image that holds pods' namespaces. */
export async function loadPause(ground: Ground): Promise<void> {
  await loadImage(ground, await pauseImage(ground.cache, await ground.program('pause')));
}

/**
 * Gives the real node an image from a tar that buildImage made. A later image of the same name takes its place; the one
 * that is there already costs nothing. Pods that run keep the image that they were started with.
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
