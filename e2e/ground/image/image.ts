import { readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Architecture, nodeArchitecture, ownArchitecture } from './architecture.ts';
import { COMPILE_CACHE, canCompile, compileCacheLayer } from './compilecache.ts';
import { type Lockfile, nodePackage, productionPackages } from './dependencies.ts';
import {
  baseLayer,
  CERTIFICATES,
  dependenciesLayer,
  documentsLayer,
  executableLayer,
  keyOf,
  nodeFiles,
  sourcesLayer,
  systemFilesFor,
  USER,
} from './layers.ts';
import { buildImage, type ImagePlan } from './oci.ts';
import { type Product, sbomOf } from './sbom.ts';
import { npmTarballs, type Tarballs } from './tarballs.ts';

/** The name that the manifests' Deployments use. */
export const IMAGE = 'docker.io/library/precision-packer:dev';
/** The name of the image that holds a pod's namespaces on the real node. */
export const PAUSE_IMAGE = 'docker.io/library/pause:local';

/**
 * How the image runs Node. Its young generation grows to 48 MB while modules load and never shrinks; small, a component
 * at rest takes some 16 MB less.
 */
export const NODE_FLAGS = ['--max-semi-space-size=2'];

const ROOT = resolve(import.meta.dirname, '..', '..', '..');

/** The image as it is to be built, and the list of what it is made of. */
export interface ComponentsPlan extends ImagePlan {
  /** CycloneDX, as JSON. */
  readonly sbom: string;
}

/** The path of a tar with our components' image, rebuilt when any content has changed. Its list lies beside it. */
export async function componentsImage(cache: string, root = ROOT): Promise<string> {
  const images = join(cache, 'images');
  const tarballs = npmTarballs(join(cache, 'tarballs'));
  const plan = await componentsPlan(root, { tarballs, images });
  return buildImage(withCompiled(plan, images), images, { 'cdx.json': plan.sbom });
}

/** The path of a tar with the pause image around a built `pause`. */
export async function pauseImage(cache: string, pause: string): Promise<string> {
  const layer = executableLayer('pause', pause, keyOf([realpathSync(pause)]));
  const config = { Entrypoint: ['/pause'], User: `${USER}:${USER}`, WorkingDir: '/', Env: [] };
  return buildImage(
    { name: PAUSE_IMAGE, architecture: ownArchitecture(), layers: [layer], config },
    join(cache, 'images'),
  );
}

/** The layers of our components' image; what changes most often comes last. `images` is a folder for unpacked files. */
export async function componentsPlan(
  root: string,
  o: { readonly tarballs: Tarballs; readonly images: string; readonly architecture?: Architecture },
): Promise<ComponentsPlan> {
  const { architecture = ownArchitecture() } = o;
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
  const product = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Product;
  const locked = nodePackage(lockfile, nodeArchitecture(architecture));
  const packages = productionPackages(lockfile);
  const node = await nodeFiles(locked, o.tarballs, o.images);
  const system = await systemFilesFor(node.binary, architecture, o.images);
  const sbom = sbomOf({ product, lockfile, node: locked, nodeSha256: node.sha256, packages, system });
  return {
    name: IMAGE,
    architecture,
    sbom,
    layers: [
      baseLayer(node, system),
      dependenciesLayer(packages, o.tarballs, root),
      documentsLayer({ root, sbom, node, system }),
      sourcesLayer(root),
    ],
    config: {
      Entrypoint: ['/usr/bin/node', ...NODE_FLAGS],
      User: `${USER}:${USER}`,
      WorkingDir: '/app',
      Env: ['PATH=/usr/bin:/bin', 'NODE_ENV=production', `SSL_CERT_FILE=/${CERTIFICATES}`],
    },
  };
}

/** The same image with its modules compiled already, where it is of this machine's architecture. `images` is a folder for temporary files. */
export function withCompiled(plan: ImagePlan, images: string): ImagePlan {
  if (!canCompile() || plan.architecture !== ownArchitecture()) return plan;
  const Env = [...plan.config.Env, `NODE_COMPILE_CACHE=${COMPILE_CACHE}`];
  return {
    ...plan,
    layers: [
      ...plan.layers,
      compileCacheLayer(plan.layers, images, { uid: Number(USER), nodeFlags: NODE_FLAGS }),
    ],
    config: { ...plan.config, Env },
  };
}
