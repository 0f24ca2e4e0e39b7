import type { Ground } from './cluster.ts';

/** What a rollout may take, image pulls excluded: there are none. */
const ROLLOUT_TIMEOUT = '120s';

/**
 * Installs our components from a folder with a kustomization, as users do, and waits until all Deployments of
 * castai-agent are available. Throws when one is not within two minutes, with what kubectl said.
 */
export async function install(ground: Ground, manifestsDir: string): Promise<void> {
  await applyKustomization(ground, manifestsDir);
  const names = await ground.kubectl(['get', 'deployments', '--namespace=castai-agent', '--output=name']);
  for (const name of names.split('\n').filter(Boolean)) {
    await ground.kubectl([
      'rollout',
      'status',
      '--namespace=castai-agent',
      `--timeout=${ROLLOUT_TIMEOUT}`,
      name,
    ]);
  }
}

/** `kubectl apply -k`, server-side: the CRDs are too long for the annotation that the other way keeps. */
export async function applyKustomization(ground: Ground, dir: string): Promise<void> {
  await ground.kubectl(['apply', '--server-side', '--force-conflicts', `--kustomize=${dir}`]);
}
