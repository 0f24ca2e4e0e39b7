import { isWorker } from '../../api/nodes.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';

const MILLI = 1_000;

/** Millicores of all worker nodes, but those whose machines are on their way out. */
export const stayingCores = (
  nodes: readonly Node[],
  claimOf: (node: Node) => NodeClaim | undefined,
  isGoing: (claim: NodeClaim) => boolean,
): number =>
  nodes
    .filter((node) => {
      if (!isWorker(node) || node.metadata.deletionTimestamp) return false;
      const claim = claimOf(node);
      return claim === undefined || !isGoing(claim);
    })
    .reduce((sum, { status }) => sum + amount('cpu', status?.capacity?.cpu ?? '0'), 0);

/** Why what is left is too little, by clusterLimits.cpu.minCores; undefined where it is enough. */
export const coresBelow = (minCores: number, leftMillicores: number): string | undefined =>
  leftMillicores < minCores * MILLI
    ? `without it the cluster would have ${leftMillicores / MILLI} cores, and clusterLimits.cpu.minCores is ${minCores}`
    : undefined;
