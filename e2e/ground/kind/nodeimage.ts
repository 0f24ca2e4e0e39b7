import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPrograms } from '../build/build.ts';
import { KUBERNETES_VERSION } from '../build/programs.ts';
import { run } from '../host/command.ts';
import { startProcess, stopProcesses } from '../host/processes.ts';
import type { Progress } from '../host/progress.ts';
import { keyOf } from '../image/layers.ts';
import { whenFree } from '../lock.ts';
import { cgroupOf, processesIn, removeCgroups } from '../node/cgroups.ts';
import { READY_WITHIN_MS, until } from '../ready.ts';
import { baseFolder, engineFiles, madeOnce } from './debian.ts';
import { docker, startEngine } from './engine.ts';
import { buildNodeImages, imageNames, shortName } from './nodeimages.ts';
import { mustHave, NODE_FILES, writeRootFolder } from './rootfolder.ts';

/** The name of the node image that is built here. */
export const NODE_IMAGE = `precision-packer/node:${KUBERNETES_VERSION}`;

const PROGRAMS = [
  ...['kindnode', 'kinddns', 'etcd', 'pause', 'containerd', 'containerd-shim-runc-v2', 'ctr', 'runc'],
  ...['bridge', 'host-local', 'loopback', 'portmap'],
];
const KEPT_UNUSED = 2;

export interface NodeImage {
  /** The folder with Debian's Docker engine. */
  readonly engine: string;
  /** An engine's data folder with the image in it. It is copied, never used in place. */
  readonly dataRoot: string;
}

/** The node image, built where it is not in the cache; nobody needs a registry for it. */
export async function nodeImage(cache: string, progress: Progress): Promise<NodeImage> {
  const folder = join(cache, 'kind');
  mkdirSync(folder, { recursive: true });
  return whenFree(join(folder, 'lock'), 'the node image', async () => {
    const engine = await progress.during('unpack the Docker engine', () => engineFiles(folder));
    const programs = await buildPrograms(PROGRAMS, { cache, progress });
    const kind = await moduleFolder();
    const name = `node-${keyOf([kind, [...programs], readAll(import.meta.dirname), readAll(NODE_FILES)])}`;
    const dataRoot = await madeOnce(join(folder, name), async (part) => {
      const base = await progress.during('unpack a small Debian', () => baseFolder(folder, engine));
      await progress.during('build the node image', () =>
        buildInto(part, { cache: folder, engine, base, kind, programs }),
      );
    });
    dropOld(folder, name);
    return { engine, dataRoot };
  });
}

/**
 * Gives a ground an image's data folder of its own. Layers are never written to, so they are linked and not copied where
 * the file system allows it.
 */
export async function copyDataRoot(from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const copy = ['cp', '--archive', join(from, name), to];
    if (name === 'overlay2')
      await run(['cp', '--archive', '--link', join(from, name), to]).catch(() => run(copy));
    else await run(copy);
  }
}

interface BuildInput {
  readonly cache: string;
  readonly engine: string;
  readonly base: string;
  readonly kind: string;
  readonly programs: ReadonlyMap<string, string>;
}

async function buildInto(dataRoot: string, o: BuildInput): Promise<void> {
  // Short, because of the sockets in it.
  const work = join(o.cache, 'work');
  const cgroup = cgroupOf(work);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  try {
    const root = join(work, 'root');
    mkdirSync(root);
    symlinkSync(mustHave(o.programs, 'kindnode'), join(work, 'kubeadm'));
    const names = await imageNames(join(work, 'kubeadm'), KUBERNETES_VERSION);
    const pause = names.find((name) => shortName(name) === 'pause') ?? '';
    await writeRootFolder({ ...o, folder: root, pause });
    const images = await buildNodeImages(names, { ...o, cache: join(o.cache, 'images') });
    await preload(work, root, images, o.programs);
    const engine = await startEngine({
      dir: work,
      files: o.engine,
      dataRoot,
      enter: ['unshare', '--net', '--'],
      cgroup,
    });
    const archive = join(work, 'root.tar');
    await run(['tar', '--create', `--file=${archive}`, `--directory=${root}`, '.']);
    const changes = ['ENV container=docker', 'ENTRYPOINT ["/kind/bin/entrypoint.sh","/sbin/init"]'];
    await docker(engine, ['import', ...changes.map((one) => `--change=${one}`), archive, NODE_IMAGE]);
    await stopProcesses([engine.process], 20_000);
  } finally {
    await stopProcesses(processesIn(cgroup), 0);
    await removeCgroups(cgroup);
    rmSync(work, { recursive: true, force: true });
  }
}

/** Puts images into the content store of a node's containerd, with a containerd that runs no containers. */
async function preload(
  work: string,
  root: string,
  images: readonly string[],
  programs: ReadonlyMap<string, string>,
): Promise<void> {
  const config = join(work, 'preload.toml');
  const socket = join(work, 'preload.sock');
  const off = ['grpc.v1.cri', 'cri.v1.images', 'cri.v1.runtime', 'nri.v1.nri', 'internal.v1.opt'];
  writeFileSync(
    config,
    `version = 3
root = "${join(root, 'var/lib/containerd')}"
state = "${join(work, 'preload')}"
disabled_plugins = [${off.map((name) => `"io.containerd.${name}"`).join(', ')}]
[grpc]
address = "${socket}"
`,
  );
  const argv = [mustHave(programs, 'containerd'), '--config', config];
  const containerd = startProcess(work, { name: 'preload', argv });
  const ctr = [mustHave(programs, 'ctr'), `--address=${socket}`, '--namespace=k8s.io'];
  try {
    await until('containerd answers', READY_WITHIN_MS, async () => {
      await run([...ctr, 'version']);
      return true;
    });
    // Pinned images are never removed by the kubelet.
    const options = ['--label=io.cri-containerd.pinned=pinned', '--all-platforms', '--no-unpack'];
    for (const path of images) await run([...ctr, 'images', 'import', ...options, path]);
  } finally {
    await stopProcesses([containerd], 10_000);
  }
}

/** The folder of kind's module, whose files the image takes. */
async function moduleFolder(): Promise<string> {
  const cwd = join(import.meta.dirname, '../go/kind');
  const env = { GOTOOLCHAIN: 'local' };
  await run(['go', 'mod', 'download', 'sigs.k8s.io/kind'], { cwd, env });
  return (await run(['go', 'list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/kind'], { cwd, env })).trim();
}

function readAll(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isFile() && !entry.name.endsWith('.test.ts')
      ? [readFileSync(join(folder, entry.name), 'utf8')]
      : [],
  );
}

function dropOld(folder: string, current: string): void {
  const others = readdirSync(folder).filter((name) => name.startsWith('node-') && name !== current);
  for (const name of others.slice(0, Math.max(0, others.length - KEPT_UNUSED)))
    rmSync(join(folder, name), { recursive: true, force: true });
}
