import type { Ground } from '../cluster.ts';
import { run } from '../host/command.ts';
import { type Engine, engineEnv } from '../kind/engine.ts';
import { type GroundRecord, readRecord } from '../record.ts';

/** The name that kind knows a ground by. */
export function clusterOf(name: string): string {
  return `precision-packer-${name}`;
}

/** Gives kind's node an image from a tar with an OCI layout. */
export async function loadIntoKind(ground: Ground, path: string): Promise<void> {
  const load = ['load', 'image-archive', path, `--name=${clusterOf(ground.name)}`];
  await run([await ground.program('kind'), ...load], { env: engineOf(ground).env });
}

/** The Docker engine of a ground. */
export function engineOf(ground: Ground): Engine {
  const files = readRecord(ground.dir)?.engine;
  return { env: files === undefined ? {} : engineEnv(ground.dir, files) };
}

/** Removes kind's containers of a ground; with an engine of its own they have gone already. */
export async function removeKind(record: GroundRecord): Promise<void> {
  const kind = record.programs.kind;
  if (kind !== undefined && record.engine === undefined)
    await run([kind, 'delete', 'cluster', `--name=${clusterOf(record.name)}`]);
}

export interface KindOptions {
  /** The number of nodes; the first is the control plane. */
  readonly nodes: number;
  readonly schedulerArgs: readonly string[];
  readonly apiserverArgs: readonly string[];
  /** Files and folders of the host that the API server finds under the same paths. */
  readonly files: readonly string[];
}

/** kind's configuration: a control plane and workers. */
export function kindConfig(o: KindOptions): object {
  const configuration = {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'ClusterConfiguration',
    // A test cluster's state may be lost with the machine, and its disk may be slow.
    etcd: { local: { extraArgs: argumentsOf(['--unsafe-no-fsync']) } },
    scheduler: { extraArgs: argumentsOf(o.schedulerArgs) },
    apiServer: {
      extraArgs: argumentsOf(o.apiserverArgs),
      extraVolumes: o.files.map((path, at) => ({ name: `ground-${at}`, hostPath: path, mountPath: path })),
    },
  };
  const controlPlane = {
    role: 'control-plane',
    extraMounts: o.files.map((path) => ({ hostPath: path, containerPath: path })),
  };
  return {
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    kind: 'Cluster',
    // The node image that is built here knows no other.
    networking: { kubeProxyMode: 'iptables' },
    nodes: [controlPlane, ...Array.from({ length: o.nodes - 1 }, () => ({ role: 'worker' }))],
    kubeadmConfigPatches: [JSON.stringify(configuration)],
  };
}

function argumentsOf(flags: readonly string[]): { name: string; value: string }[] {
  return flags.map((flag) => {
    const [name = '', ...value] = flag.replace(/^--/, '').split('=');
    return { name, value: value.length === 0 ? 'true' : value.join('=') };
  });
}
