import { pacedSeconds } from '../../../kube/testing/pace.ts';
import type { Ground } from '../cluster.ts';
import { NODE_LABEL, NODE_TAINT } from '../node/kubelet.ts';
import { placementObjects } from '../node/placement.ts';

/**
 * Keeps kind's nodes for our components, and what kind runs off the cloud's machines. kind's own pods are placed first:
 * the taint keeps out only later ones.
 */
export async function reserveNodes(ground: Ground): Promise<void> {
  const timeout = `--timeout=${pacedSeconds(120)}`;
  const each = 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}';
  const list = async (kind: string) => {
    const lines = await ground.kubectl(['get', kind, '--all-namespaces', `--output=${each}`]);
    return lines
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' ') as [string, string]);
  };
  for (const [namespace, name] of await list('deployments'))
    await ground.kubectl(['rollout', 'status', `--namespace=${namespace}`, timeout, `deployment/${name}`]);
  await ground.kubectl(['label', '--overwrite', 'nodes', '--all', `${NODE_LABEL}=true`]);
  const taint = `${NODE_TAINT.key}=${NODE_TAINT.value}:${NODE_TAINT.effect}`;
  await ground.kubectl(['taint', '--overwrite', 'nodes', '--all', taint]);
  // With several nodes, kubeadm closes the one of the control plane.
  await ground.kubectl(['taint', 'nodes', '--all', 'node-role.kubernetes.io/control-plane-']).catch(() => {
    // It has no such taint where it is alone.
  });
  // On a machine of the cloud they would never run, and Karpenter would buy room for them.
  const patch = JSON.stringify({ spec: { template: { spec: { nodeSelector: { [NODE_LABEL]: 'true' } } } } });
  for (const [namespace, name] of await list('daemonsets')) {
    const daemonSet = [`--namespace=${namespace}`, `daemonset/${name}`];
    await ground.kubectl(['patch', ...daemonSet, `--patch=${patch}`]);
    await ground.kubectl(['rollout', 'status', timeout, ...daemonSet]);
  }
  const objects = { apiVersion: 'v1', kind: 'List', items: placementObjects() };
  await ground.kubectl(['apply', '--server-side', '--filename=-'], { input: JSON.stringify(objects) });
}
