import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { KUBERNETES_VERSION } from '../build/programs.ts';
import { run } from '../host/command.ts';

/** Our own files of a node. */
export const NODE_FILES = join(import.meta.dirname, 'node');

export interface RootInput {
  readonly folder: string;
  /** The folder with a small Debian. */
  readonly base: string;
  /** The folder of kind's module; its files are read, not kept here. */
  readonly kind: string;
  /** Paths of built programs by name. */
  readonly programs: ReadonlyMap<string, string>;
  /** The name of the image that holds a pod's namespaces. */
  readonly pause: string;
}

const CNI_PLUGINS = ['bridge', 'host-local', 'loopback', 'portmap'];
const RUNTIME = ['containerd', 'containerd-shim-runc-v2', 'ctr'];
const SERVICES = ['kubelet', 'containerd', 'undo-mount-hacks', 'pod-network'];

/** Units that a container has no use for, as kind's own image is rid of them. */
const UNWANTED = [
  { folder: 'lib/systemd/system/sysinit.target.wants', name: /^systemd-tmpfiles-setup\.service$/ },
  { folder: 'lib/systemd/system/multi-user.target.wants', name: /./ },
  { folder: 'lib/systemd/system/local-fs.target.wants', name: /./ },
  { folder: 'lib/systemd/system/sockets.target.wants', name: /udev|initctl/ },
  { folder: 'lib/systemd/system/basic.target.wants', name: /./ },
  // They set what belongs to the whole machine.
  { folder: 'usr/lib/sysctl.d', name: /\.conf$/ },
] as const;

/** Writes a node's whole root folder, but for the images that it starts with. */
export async function writeRootFolder(input: RootInput): Promise<void> {
  const { folder, programs } = input;
  const at = (...parts: string[]) => join(folder, ...parts);
  await run(['cp', '--archive', `${input.base}/.`, folder]);
  cpSync(join(input.kind, 'images/base/files'), folder, { recursive: true, force: true });
  // Files of a Go module can only be read.
  await run(['chmod', '-R', 'u+w', at('kind'), at('etc'), at('usr/local')]);
  for (const scripts of ['kind/bin', 'usr/local/bin'])
    for (const name of readdirSync(at(scripts))) chmodSync(at(scripts, name), 0o755);
  for (const path of ['kind', 'kind/bin', 'etc/containerd', 'etc/systemd/system']) chmodSync(at(path), 0o755);
  removeUnwanted(folder);
  const put = (from: string, to: string, mode = 0o755) => {
    mkdirSync(dirname(at(to)), { recursive: true });
    cpSync(from, at(to), { dereference: true });
    chmodSync(at(to), mode);
  };
  for (const name of RUNTIME) put(mustHave(programs, name), `usr/local/bin/${name}`);
  put(mustHave(programs, 'runc'), 'usr/local/sbin/runc');
  for (const name of CNI_PLUGINS) put(mustHave(programs, name), `opt/cni/bin/${name}`);
  put(mustHave(programs, 'kindnode'), 'usr/bin/kindnode');
  for (const name of ['kubelet', 'kubeadm', 'kubectl']) symlinkSync('kindnode', at('usr/bin', name));
  put(join(NODE_FILES, 'entrypoint.sh'), 'kind/bin/entrypoint.sh');
  put(join(NODE_FILES, 'pod-network.sh'), 'kind/bin/pod-network.sh');
  put(join(NODE_FILES, 'pod-network.service'), 'etc/systemd/system/pod-network.service', 0o644);
  put(join(NODE_FILES, 'pod-network.yaml'), 'kind/manifests/default-cni.yaml', 0o644);
  for (const path of ['etc/kubernetes/manifests', 'etc/cni/net.d']) mkdirSync(at(path), { recursive: true });
  writeFileSync(at('kind/version'), KUBERNETES_VERSION);
  await configureRuntime(folder, input.pause);
  enableServices(folder);
}

function removeUnwanted(folder: string): void {
  for (const unwanted of UNWANTED) {
    const place = join(folder, unwanted.folder);
    for (const name of existsSync(place) ? readdirSync(place) : [])
      if (unwanted.name.test(name)) rmSync(join(place, name));
  }
  const system = join(folder, 'etc/systemd/system');
  for (const name of readdirSync(system))
    if (name.endsWith('.wants')) rmSync(join(system, name), { recursive: true });
  appendFileSync(join(folder, 'etc/systemd/journald.conf'), 'ReadKMsg=no\n');
  link('/usr/lib/systemd/systemd', join(folder, 'sbin/init'));
  // It registers what belongs to the whole machine.
  link('/dev/null', join(system, 'systemd-binfmt.service'));
}

async function configureRuntime(folder: string, pause: string): Promise<void> {
  const spec = JSON.parse(await run(['chroot', folder, '/usr/local/bin/ctr', 'oci', 'spec'])) as {
    hooks?: object;
    process: { rlimits?: unknown };
  };
  delete spec.process.rlimits;
  spec.hooks = { createContainer: [{ path: '/kind/bin/mount-product-files.sh' }] };
  writeFileSync(join(folder, 'etc/containerd/cri-base.json'), JSON.stringify(spec));
  const path = join(folder, 'etc/containerd/config.toml');
  const config = readFileSync(path, 'utf8')
    .replace(/sandbox_image = ".*"/, `sandbox_image = "${pause}"`)
    // Without it runc needs the right to lower oom_score_adj, which root in a container has not.
    .replace('restrict_oom_score_adj = false', 'restrict_oom_score_adj = true');
  writeFileSync(path, config);
  // The kubelet refuses cgroup v1 otherwise.
  appendFileSync(join(folder, 'etc/default/kubelet'), ' --fail-cgroupv1=false\n');
}

function enableServices(folder: string): void {
  const wants = join(folder, 'etc/systemd/system/multi-user.target.wants');
  mkdirSync(wants, { recursive: true });
  for (const name of SERVICES) link(`/etc/systemd/system/${name}.service`, join(wants, `${name}.service`));
}

function link(target: string, path: string): void {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/** The path of a built program. Throws when it was not built. */
export function mustHave(programs: ReadonlyMap<string, string>, name: string): string {
  const path = programs.get(name);
  if (path === undefined) throw new Error(`${name} was not built`);
  return path;
}
