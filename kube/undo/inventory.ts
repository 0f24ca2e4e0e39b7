import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { KubeObject, Node, NodeClaim, NodePool, Pod, ReplicaSet } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import { isUnserved, messageOf } from '../errors.ts';

/** All objects that may carry marks of ours. A kind that the API server no longer serves is empty. */
export interface Inventory {
  readonly plans: readonly RebalancePlan[];
  readonly migrations: readonly KubeObject[];
  readonly nodes: readonly Node[];
  readonly nodeClaims: readonly NodeClaim[];
  readonly nodePools: readonly NodePool[];
  readonly pods: readonly Pod[];
  readonly replicaSets: readonly ReplicaSet[];
  /** Why a kind could not be read: what it carries is not known. */
  readonly unread: readonly string[];
}

/** How many kinds an inventory has. */
export const KINDS = 7;

/** Lists everything. A kind that can't be read is named in `unread`, and the others are still there. */
export const takeInventory = async (client: KubeClient, signal: AbortSignal): Promise<Inventory> => {
  const unread: string[] = [];
  const list = async <T extends KubeObject>(resource: resources.Resource<T>): Promise<readonly T[]> => {
    try {
      return (await client.list(resource, { signal })).items;
    } catch (error) {
      signal.throwIfAborted();
      if (!isUnserved(error)) unread.push(`${resource.plural} can't be listed: ${messageOf(error)}`);
      return [];
    }
  };
  const [plans, migrations, nodes, nodeClaims, nodePools, pods, replicaSets] = await Promise.all([
    list(resources.REBALANCE_PLANS),
    list(resources.REBALANCE_MIGRATION_PLANS),
    list(resources.NODES),
    list(resources.NODE_CLAIMS),
    list(resources.NODE_POOLS),
    list(resources.PODS),
    list(resources.REPLICA_SETS),
  ]);
  return { plans, migrations, nodes, nodeClaims, nodePools, pods, replicaSets, unread };
};
