import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { run } from '../host/command.ts';
import { COMPILE_CACHE, canCompile, compileCacheLayer } from './compilecache.ts';
import { isUnusedAtRunTime, type Lockfile, productionFolders } from './dependencies.ts';
import { buildImage, type ImagePlan, type LayerPlan } from './oci.ts';

/** The name that the manifests' Deployments use. */
export const IMAGE = 'docker.io/library/precision-packer:dev';
/** The name of the image that holds a pod's namespaces on the real node. */
export const PAUSE_IMAGE = 'docker.io/library/pause:local';

/**
 * How the image runs Node. Its young generation grows to 48 MB while modules load and never shrinks; small, a component
 * at rest takes some 16 MB less.
 */
export const NODE_FLAGS = ['--max-semi-space-size=2'];

const USER = '65532';
const ROOT = resolve(import.meta.dirname, '..', '..', '..');
const COMPONENTS = ['api', 'kube', 'planner', 'cloud', 'extender', 'webhook', 'kentroller', 'cli'];
const CERTIFICATES = 'etc/ssl/certs/ca-certificates.crt';

/** The path of a tar with our components' image, rebuilt when any content has changed. */
export async function componentsImage(cache: string, root = ROOT): Promise<string> {
  const images = join(cache, 'images');
  return buildImage(withCompiled(await componentsPlan(root), images), images);
}

/** The path of a tar with the pause image around a built `pause`. */
export async function pauseImage(cache: string, pause: string): Promise<string> {
  const layer: LayerPlan = {
    name: 'pause',
    key: keyOf([realpathSync(pause)]),
    fill: async (folder) => copyExecutable(pause, join(folder, 'pause')),
  };
  const config = { Entrypoint: ['/pause'], User: `${USER}:${USER}`, WorkingDir: '/', Env: [] };
  return buildImage({ name: PAUSE_IMAGE, layers: [layer], config }, join(cache, 'images'));
}

/** The layers of our components' image; what changes most often comes last. */
export async function componentsPlan(root: string): Promise<ImagePlan> {
  return {
    name: IMAGE,
    layers: [await baseLayer(root), dependenciesLayer(root), sourcesLayer(root)],
    config: {
      Entrypoint: ['/usr/bin/node', ...NODE_FLAGS],
      User: `${USER}:${USER}`,
      WorkingDir: '/app',
      Env: ['PATH=/usr/bin:/bin', 'NODE_ENV=production', `SSL_CERT_FILE=/${CERTIFICATES}`],
    },
  };
}

/** The same image with its modules compiled already. `images` is a folder for temporary files. */
export function withCompiled(plan: ImagePlan, images: string): ImagePlan {
  if (!canCompile()) return plan;
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

async function baseLayer(root: string): Promise<LayerPlan> {
  const node = realpathSync(join(root, 'node_modules', 'node', 'bin', 'node'));
  const libraries = librariesIn(await run(['ldd', node]));
  const files = [node, ...libraries].map((path) => {
    const { size, mtimeMs } = statSync(path);
    return [path, size, mtimeMs];
  });
  return {
    name: 'base',
    key: keyOf(files),
    async fill(folder) {
      copyExecutable(node, join(folder, 'usr', 'bin', 'node'));
      for (const library of libraries) copyExecutable(library, join(folder, library));
      for (const place of ['etc/ssl/certs', 'tmp', 'app'])
        mkdirSync(join(folder, place), { recursive: true });
      writeFileSync(
        join(folder, 'etc/passwd'),
        `root:x:0:0::/:/none\nnonroot:x:${USER}:${USER}::/app:/none\n`,
      );
      writeFileSync(join(folder, 'etc/group'), `root:x:0:\nnonroot:x:${USER}:\n`);
      writeFileSync(join(folder, 'etc/nsswitch.conf'), 'hosts: files dns\n');
      if (existsSync(`/${CERTIFICATES}`)) copyFileSync(`/${CERTIFICATES}`, join(folder, CERTIFICATES));
    },
  };
}

function dependenciesLayer(root: string): LayerPlan {
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
  const folders = productionFolders(lockfile).filter((folder) => existsSync(join(root, folder)));
  return {
    name: 'dependencies',
    key: keyOf(folders.map((folder) => [folder, lockfile.packages[folder]?.version])),
    async fill(target) {
      for (const folder of folders) copyPackage(join(root, folder), join(target, 'app', folder));
    },
  };
}

function sourcesLayer(root: string): LayerPlan {
  // Read once: a file that changes meanwhile must not end up under the key of its earlier content.
  const files = ['package.json', ...COMPONENTS.flatMap((component) => sourceFiles(root, component))].map(
    (path) => [path, readFileSync(join(root, path))] as const,
  );
  return {
    name: 'sources',
    key: keyOf(files.map(([path, text]) => [path, createHash('sha256').update(text).digest('hex')])),
    async fill(folder) {
      for (const [path, text] of files) {
        mkdirSync(dirname(join(folder, 'app', path)), { recursive: true });
        writeFileSync(join(folder, 'app', path), text);
      }
    },
  };
}

/** Paths of the libraries in ldd's output; the kernel's own library has none. */
export function librariesIn(ldd: string): string[] {
  return ldd.split('\n').flatMap((line) => /(?:=>\s*|^\s+)(\/\S+)\s+\(0x/.exec(line)?.[1] ?? []);
}

function sourceFiles(root: string, component: string): string[] {
  if (!existsSync(join(root, component))) return [];
  return readdirSync(join(root, component), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.test\.ts$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

function copyPackage(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter(source) {
      const path = relative(from, source);
      // Packages within a package are listed themselves, if they are needed.
      return path === '' || !(path.split('/').includes('node_modules') || isUnusedAtRunTime(path));
    },
  });
}

function copyExecutable(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

function keyOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
