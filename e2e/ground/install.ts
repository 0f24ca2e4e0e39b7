import { messageOf } from '../../kube/errors.ts';
import { pacedSeconds } from '../../kube/testing/pace.ts';
import type { Ground } from './cluster.ts';

const NAMESPACE = '--namespace=castai-agent';
/** Time for a rollout without image pulls, since there are none. */
const ROLLOUT_S = 120;

/**
 * Installs our components from a kustomization, as users do, and waits until all Deployments of castai-agent are
 * available. Throws with kubectl's output when one is not within two minutes at the machine's pace.
 */
export async function install(ground: Ground, manifestsDir: string): Promise<void> {
  await applyKustomization(ground, manifestsDir);
  await rolledOut(ground);
}

/** Waits until all Deployments of castai-agent have rolled out. Throws with what the cluster says of one that does not. */
export async function rolledOut(ground: Ground): Promise<void> {
  const names = await ground.kubectl(['get', 'deployments', NAMESPACE, '--output=name']);
  for (const name of names.split('\n').filter(Boolean)) {
    const wait = ['rollout', 'status', NAMESPACE, `--timeout=${pacedSeconds(ROLLOUT_S)}`, name];
    await ground.kubectl(wait).catch(async (cause: unknown) => {
      throw new Error(`${messageOf(cause)}\n${await storyOf(ground, name)}`, { cause });
    });
  }
}

/** Pods, events and the last log lines of a Deployment that does not become available. */
async function storyOf(ground: Ground, deployment: string): Promise<string> {
  const asked = [
    ['get', 'pods', NAMESPACE, '--output=wide'],
    ['get', 'events', NAMESPACE, '--sort-by=.lastTimestamp'],
    ['logs', NAMESPACE, '--tail=20', '--all-pods', deployment],
  ].map((args) => ground.kubectl(args).catch(messageOf));
  return (await Promise.all(asked)).join('\n');
}

/** `kubectl apply -k`, server-side: the CRDs are too long for the annotation of client-side apply. */
export async function applyKustomization(ground: Ground, dir: string): Promise<void> {
  await ground.kubectl(['apply', '--server-side', '--force-conflicts', `--kustomize=${dir}`]);
}
