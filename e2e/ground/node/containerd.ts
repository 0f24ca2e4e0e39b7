import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { INSIDE } from '../host/addresses.ts';
import { PAUSE_IMAGE } from '../image/image.ts';

/** The socket of the real node's containerd. */
export function containerdSocket(dir: string): string {
  return join(dir, 'node', 'containerd.sock');
}

/** containerd's configuration: all of its folders and sockets belong to the ground. */
export function containerdConfig(dir: string): string {
  const node = join(dir, 'node');
  return `version = 3
root = "${node}/containerd/root"
state = "${node}/containerd/state"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]

[grpc]
address = "${containerdSocket(dir)}"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "${snapshotter()}"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "${PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
# Without it runc needs the right to lower oom_score_adj, which root in a container has not.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["${node}/cni/bin"]
conf_dir = "${node}/cni/conf"

[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "${node}/bin/runc"
Root = "${node}/runc"
`;
}

/** The CNI network of the real node's pods: one bridge, addresses from one range. */
export function networkConfig(dir: string): object {
  return {
    cniVersion: '1.0.0',
    name: 'ground',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: join(dir, 'addresses'),
          ranges: [[{ subnet: INSIDE.pods }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

/** The snapshotter: overlayfs where the kernel allows it, else copies. */
export function snapshotter(): 'overlayfs' | 'native' {
  return /\boverlay\b/.test(readFileSync('/proc/filesystems', 'utf8')) ? 'overlayfs' : 'native';
}
