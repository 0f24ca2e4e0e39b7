import type { Ground } from '../cluster.ts';
import { run } from '../host/command.ts';
import type { GroundRecord } from '../record.ts';

/** The name that kind knows a ground by. */
export function clusterOf(name: string): string {
  return `precision-packer-${name}`;
}

/** Gives kind's node an image from a tar with an OCI layout. */
export async function loadIntoKind(ground: Ground, path: string): Promise<void> {
  await run([
    await ground.program('kind'),
    'load',
    'image-archive',
    path,
    `--name=${clusterOf(ground.name)}`,
  ]);
}

/** Removes kind's containers of a ground. */
export async function removeKind(record: GroundRecord): Promise<void> {
  const kind = record.programs.kind;
  if (kind !== undefined) await run([kind, 'delete', 'cluster', `--name=${clusterOf(record.name)}`]);
}

/** kind's configuration: one node, with further arguments for the scheduler and the API server. */
export function kindConfig(schedulerArgs: readonly string[], apiserverArgs: readonly string[]): object {
  const configuration = {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'ClusterConfiguration',
    scheduler: { extraArgs: argumentsOf(schedulerArgs) },
    apiServer: { extraArgs: argumentsOf(apiserverArgs) },
  };
  return {
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    kind: 'Cluster',
    nodes: [{ role: 'control-plane' }],
    kubeadmConfigPatches: [JSON.stringify(configuration)],
  };
}

function argumentsOf(flags: readonly string[]): { name: string; value: string }[] {
  return flags.map((flag) => {
    const [name = '', ...value] = flag.replace(/^--/, '').split('=');
    return { name, value: value.length === 0 ? 'true' : value.join('=') };
  });
}
