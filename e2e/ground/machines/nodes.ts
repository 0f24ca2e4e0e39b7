import { isReady } from '../../../api/nodes.ts';
import type { Node } from '../../../api/objects.ts';
import { NODES } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { isNotFound } from '../../../kube/errors.ts';
import type { InstanceView } from '../aws/control/types.ts';

const instanceIdOf = (node: Node): string | undefined =>
  /^aws:\/\/\/[^/]+\/(i-[0-9a-f]+)$/.exec(node.spec?.providerID ?? '')?.[1];

/**
 * The Nodes that EKS's cloud-controller-manager would delete: not ready, and their instance is gone.
 * Source: https://github.com/kubernetes/cloud-provider/blob/master/controllers/nodelifecycle/node_lifecycle_controller.go
 */
export const orphanedNodes = (
  nodes: readonly Node[],
  instances: readonly InstanceView[],
): readonly Node[] => {
  const live = new Set(instances.filter(({ state }) => state !== 'terminated').map(({ id }) => id));
  return nodes.filter((node) => {
    const id = instanceIdOf(node);
    return (
      id !== undefined && !live.has(id) && !isReady(node) && node.metadata.deletionTimestamp === undefined
    );
  });
};

/** Deletes the Nodes of instances that are gone, as EKS does. Returns their names. */
export const deleteOrphanedNodes = async (
  client: KubeClient,
  instances: readonly InstanceView[],
): Promise<readonly string[]> => {
  const { items } = await client.list<Node>(NODES);
  const orphans = orphanedNodes(items, instances);
  for (const { metadata } of orphans)
    await client
      .delete(NODES, { name: metadata.name }, metadata.uid === undefined ? {} : { uid: metadata.uid })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  return orphans.map(({ metadata }) => metadata.name);
};
