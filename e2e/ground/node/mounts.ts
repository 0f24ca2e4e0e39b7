import { readFileSync } from 'node:fs';
import { run } from '../host/command.ts';

/** Mount points below `dir`, the deepest and latest first. */
export function mountsBelow(dir: string, mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .flatMap((line) => {
      const place = line.split(' ')[4];
      return place === undefined
        ? []
        : [place.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)))];
    })
    .filter((place) => place.startsWith(`${dir}/`))
    .reverse();
}

/** Unmounts everything below `dir` except one place. */
export async function removeMounts(dir: string, except: string): Promise<void> {
  for (const place of mountsBelow(dir, readFileSync('/proc/self/mountinfo', 'utf8'))) {
    if (place !== except) await run(['umount', '--lazy', place]);
  }
}

/** Folders of the host that containerd, kubelet and kube-proxy write to under any configuration. */
const PRIVATE_PLACES = [
  { name: 'lib', path: '/var/lib' },
  { name: 'log', path: '/var/log' },
  { name: 'run', path: '/run' },
] as const;

// Settings that the kubelet changes for the whole machine. It writes none that has the wanted value already.
const KERNEL_SETTINGS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/**
 * A command in its own mount namespace, where folders of the ground cover the host's and kernel settings read as the
 * kubelet wants them. The host sees nothing of it, and it ends with its processes.
 */
export function privateMounts(node: string, argv: readonly string[]): string[] {
  const overlay = PRIVATE_PLACES.map(({ name, path }) => `over ${name} ${path}`);
  const settings = Object.entries(KERNEL_SETTINGS).map(([name, value]) => `setting ${name} ${value}`);
  const script = `set -e
    places=$1; shift
    mount -t tmpfs tmpfs "$places"
    over() {
      mkdir -p "$places/$1/upper" "$places/$1/work"
      mount -t overlay overlay -o "lowerdir=$2,upperdir=$places/$1/upper,workdir=$places/$1/work" "$2" ||
        mount -t tmpfs tmpfs "$2"
    }
    setting() {
      mkdir -p "$places/sys/\${1%/*}"
      echo "$2" > "$places/sys/$1"
      mount --bind "$places/sys/$1" "/proc/sys/$1"
    }
    ${[...overlay, ...settings].join('\n    ')}
    exec "$@"`;
  return [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    script,
    'sh',
    `${node}/places`,
    ...argv,
  ];
}
