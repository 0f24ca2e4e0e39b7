import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../host/command.ts';
import { keyOf } from '../image/layers.ts';

/** Debian's packages, unpacked into folders of the cache: nothing is installed on the machine. */

/** The engine, and the tool that makes a node's root folder. */
const ENGINE_PACKAGES = ['docker.io', 'containerd', 'runc', 'debootstrap', 'libdevmapper1.02.1'];

/** bookworm's systemd still starts on cgroup v1; trixie's does not. */
const SUITE = 'bookworm';
const NODE_PACKAGES = [
  ...['systemd', 'conntrack', 'iptables', 'nftables', 'iproute2', 'ethtool', 'kmod', 'mount'],
  ...['libseccomp2', 'ca-certificates', 'jq', 'procps', 'pigz'],
];

/** Whether this machine can have an engine of our own: root, with Debian's package tools. */
export function canUnpackPackages(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/** Makes a folder once: `fill` writes into a new one, which takes its place when it is whole. */
export async function madeOnce(path: string, fill: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path;
  const work = `${path}.part`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  await fill(work);
  renameSync(work, path);
  return path;
}

/** The folder with Debian's Docker engine. */
export function engineFiles(cache: string): Promise<string> {
  return madeOnce(join(cache, `engine-${keyOf(ENGINE_PACKAGES)}`), async (folder) => {
    const archives = join(folder, 'archives');
    mkdirSync(archives);
    await run(['apt-get', 'update', '-qq']);
    await run(['apt-get', 'download', '-qq', ...ENGINE_PACKAGES], { cwd: archives });
    for (const name of readdirSync(archives)) await run(['dpkg', '-x', join(archives, name), folder]);
    rmSync(archives, { recursive: true });
  });
}

/** The folder with a small Debian, on which a node is built. */
export function baseFolder(cache: string, engine: string): Promise<string> {
  return madeOnce(join(cache, `base-${keyOf([SUITE, NODE_PACKAGES])}`), async (folder) => {
    const privately = ['unshare', '--mount', '--propagation', 'private'];
    const debootstrap = ['sh', join(engine, 'usr/sbin/debootstrap'), '--variant=minbase'];
    await run([...privately, ...debootstrap, `--include=${NODE_PACKAGES.join(',')}`, SUITE, folder], {
      env: { DEBOOTSTRAP_DIR: join(engine, 'usr/share/debootstrap'), LC_ALL: 'C.UTF-8' },
    });
    for (const path of ['var/cache/apt/archives', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man'])
      rmSync(join(folder, path), { recursive: true, force: true });
  });
}
