import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '../host/command.ts';
import type { Architecture } from './architecture.ts';

/** The content of one layer: the key changes with the content, `fill` writes it into an empty folder. */
export interface LayerPlan {
  readonly name: string;
  readonly key: string;
  fill(folder: string): Promise<void>;
}

export interface ImagePlan {
  /** With registry and tag, as `ctr` and the kubelet know it. */
  readonly name: string;
  readonly architecture: Architecture;
  readonly layers: readonly LayerPlan[];
  readonly config: {
    readonly Entrypoint: readonly string[];
    readonly User: string;
    readonly WorkingDir: string;
    readonly Env: readonly string[];
  };
}

const KEPT_VERSIONS = 4;

/** A layer as a tar; the digest is without its algorithm. */
export interface LayerTar {
  readonly digest: string;
  readonly size: number;
  readonly path: string;
}

/** GNU tar's options for archives that depend on names and contents only. */
export const REPRODUCIBLE = [
  '--sort=name',
  '--mtime=@0',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--mode=u+rwX,go+rX,go-w',
];

/**
 * The path of a tar with the image as an OCI layout. Layers made before come from the cache. `beside` are texts that are
 * written beside it, by extension.
 */
export async function buildImage(
  plan: ImagePlan,
  cache: string,
  beside: Readonly<Record<string, string>> = {},
): Promise<string> {
  const name = plan.name.replaceAll(/[^a-z0-9.-]/gi, '_');
  const path = join(cache, `${name}-${imageKey(plan)}.tar`);
  mkdirSync(cache, { recursive: true });
  for (const [extension, text] of Object.entries(beside))
    writeFileSync(path.replace(/tar$/, extension), text);
  if (existsSync(path)) return path;
  const layers = await buildLayers(plan, cache);
  const work = mkdtempSync(join(cache, 'work-'));
  try {
    await writeLayout(work, plan, layers);
    await run([
      'tar',
      '--create',
      ...REPRODUCIBLE,
      `--file=${path}.${process.pid}`,
      `--directory=${work}`,
      'oci-layout',
      'index.json',
      'blobs',
    ]);
    renameSync(`${path}.${process.pid}`, path);
    dropOld(cache, `${name}-`);
    for (const layer of ['base-', 'dependencies-', 'documents-', 'sources-', 'compiled-'])
      dropOld(join(cache, 'layers'), layer);
    return path;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The image's content as one hash. */
export function imageKey(plan: ImagePlan): string {
  const parts = [
    plan.name,
    plan.architecture,
    plan.config,
    plan.layers.map((layer) => [layer.name, layer.key]),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/** The layers of an image, lowest first; those made before come from the cache. */
export async function buildLayers(plan: ImagePlan, cache: string): Promise<LayerTar[]> {
  const layers: LayerTar[] = [];
  for (const layer of plan.layers) layers.push(await buildLayer(layer, cache));
  return layers;
}

async function buildLayer(layer: LayerPlan, cache: string): Promise<LayerTar> {
  const path = join(cache, 'layers', `${layer.name}-${layer.key}.tar`);
  const record = `${path}.digest`;
  if (!existsSync(record)) {
    mkdirSync(dirname(path), { recursive: true });
    const folder = mkdtempSync(join(cache, 'work-'));
    try {
      await layer.fill(folder);
      await run([
        'tar',
        '--create',
        ...REPRODUCIBLE,
        `--file=${path}.${process.pid}`,
        `--directory=${folder}`,
        '.',
      ]);
      renameSync(`${path}.${process.pid}`, path);
      writeFileSync(record, await sha256Of(path));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return { digest: readFileSync(record, 'utf8'), size: statSync(path).size, path };
}

/** A manifest and the configuration that it names, as the bytes that their digests are of. */
export interface ImageTexts {
  readonly config: string;
  readonly manifest: string;
}

export interface LayerDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

export const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

/** The manifest of an image whose layers are stored as `stored`, and are the tars `tars` once unpacked. */
export function imageTexts(
  plan: ImagePlan,
  tars: readonly LayerTar[],
  stored: readonly LayerDescriptor[],
): ImageTexts {
  const config = JSON.stringify({
    architecture: plan.architecture,
    os: 'linux',
    config: plan.config,
    rootfs: { type: 'layers', diff_ids: tars.map((layer) => `sha256:${layer.digest}`) },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: `sha256:${sha256(config)}`,
      size: Buffer.byteLength(config),
    },
    layers: stored,
  });
  return { config, manifest };
}

async function writeLayout(work: string, plan: ImagePlan, layers: readonly LayerTar[]): Promise<void> {
  const blobs = join(work, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  for (const layer of layers) linkSync(layer.path, join(blobs, layer.digest));
  const stored = layers.map(({ digest, size }) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: `sha256:${digest}`,
    size,
  }));
  const { config, manifest } = imageTexts(plan, layers, stored);
  for (const text of [config, manifest]) writeFileSync(join(blobs, sha256(text)), text);
  const annotations = {
    'io.containerd.image.name': plan.name,
    'org.opencontainers.image.ref.name': plan.name,
  };
  const descriptor = {
    mediaType: MANIFEST,
    digest: `sha256:${sha256(manifest)}`,
    size: Buffer.byteLength(manifest),
  };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations }] };
  writeFileSync(join(work, 'index.json'), JSON.stringify(index));
  writeFileSync(join(work, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

// Sources change all day, and each image takes a quarter of a gigabyte.
function dropOld(folder: string, prefix: string): void {
  const files = readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith('.tar'))
    .map((name) => ({ path: join(folder, name), time: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { path } of files.slice(KEPT_VERSIONS)) {
    for (const other of [`${path}.digest`, `${path}.gz`, path.replace(/tar$/, 'cdx.json')])
      rmSync(other, { force: true });
    rmSync(path, { force: true });
  }
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
