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

/** The content of one layer: the key changes with the content, `fill` writes it into an empty folder. */
export interface LayerPlan {
  readonly name: string;
  readonly key: string;
  fill(folder: string): Promise<void>;
}

export interface ImagePlan {
  /** With registry and tag, as `ctr` and the kubelet know it. */
  readonly name: string;
  readonly layers: readonly LayerPlan[];
  readonly config: {
    readonly Entrypoint: readonly string[];
    readonly User: string;
    readonly WorkingDir: string;
    readonly Env: readonly string[];
  };
}

const KEPT_VERSIONS = 4;

interface Blob {
  readonly digest: string;
  readonly size: number;
  readonly path: string;
}

/** GNU tar's options for archives that depend on names and contents only. */
const REPRODUCIBLE = [
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
  const layers: Blob[] = [];
  for (const layer of plan.layers) layers.push(await buildLayer(layer, cache));
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
  const parts = [plan.name, plan.config, plan.layers.map((layer) => [layer.name, layer.key])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

async function buildLayer(layer: LayerPlan, cache: string): Promise<Blob> {
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

async function writeLayout(work: string, plan: ImagePlan, layers: readonly Blob[]): Promise<void> {
  const blobs = join(work, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  for (const layer of layers) linkSync(layer.path, join(blobs, layer.digest));
  const put = (mediaType: string, content: object) => {
    const text = JSON.stringify(content);
    const digest = createHash('sha256').update(text).digest('hex');
    writeFileSync(join(blobs, digest), text);
    return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) };
  };
  const config = put('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: plan.config,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${layer.digest}`) },
  });
  const manifest = put('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: layers.map(({ digest, size }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: `sha256:${digest}`,
      size,
    })),
  });
  const annotations = {
    'io.containerd.image.name': plan.name,
    'org.opencontainers.image.ref.name': plan.name,
  };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
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
    for (const other of [`${path}.digest`, path.replace(/tar$/, 'cdx.json')]) rmSync(other, { force: true });
    rmSync(path, { force: true });
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
