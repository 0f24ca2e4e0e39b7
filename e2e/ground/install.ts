import type { Ground } from './cluster.ts';

/** Time for a rollout without image pulls, since there are none. */
const ROLLOUT_TIMEOUT = '120s';

/**
 * Installs our components from a kustomization, as users do, and waits until all Deployments of castai-agent are
 * available. Throws with kubectl's output when one is not within two minutes.
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

/** `kubectl apply -k`, server-side: the CRDs are too long for the annotation of client-side apply. */
export async function applyKustomization(ground: Ground, dir: string): Promise<void> {
  await ground.kubectl(['apply', '--server-side', '--force-conflicts', `--kustomize=${dir}`]);
}
