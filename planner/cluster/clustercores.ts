import { isWorker } from '../../api/nodes.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import type { Catalogue } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { ClusterCores, PoolUsage } from './nodepoollimits.ts';
import { isLaunched, launchedAmount, orderedAmount, poolUsageOf } from './nodepoolusage.ts';

/**
 * Millicores of all worker nodes, whoever ordered them. A machine counts from its NodeClaim on, until it is launched as the
 * largest that it may become, and until its node and its NodeClaim are gone.
 */
export const workerCores = (
  { nodes, nodeClaims }: Pick<Snapshot, 'nodes' | 'nodeClaims'>,
  catalogue: Catalogue,
): number => {
  const claims = new Map<string, NodeClaim>(
    nodeClaims.filter(isLaunched).map((claim) => [claim.status?.providerID ?? '', claim]),
  );
  let sum = 0;
  for (const node of nodes.filter(isWorker)) {
    const id = node.spec?.providerID || 'none';
    const claim = claims.get(id);
    claims.delete(id);
    sum += claim
      ? launchedAmount('cpu', claim, node, catalogue)
      : amount('cpu', node.status?.capacity?.cpu ?? '0');
  }
  for (const claim of claims.values()) sum += launchedAmount('cpu', claim, undefined, catalogue);
  for (const claim of nodeClaims) if (!isLaunched(claim)) sum += orderedAmount('cpu', claim, catalogue);
  return sum;
};

const MILLI = 1_000;

/** What the cluster has and may have at most, where a request bounds it. */
export const clusterCoresOf = (
  maxCores: number | undefined,
  snapshot: Pick<Snapshot, 'nodes' | 'nodeClaims'>,
  catalogue: Catalogue,
): ClusterCores | undefined =>
  maxCores === undefined ? undefined : { max: maxCores * MILLI, used: workerCores(snapshot, catalogue) };

/** A request for a plan that may bound the cores of the cluster. */
export interface CoresLimited {
  readonly catalogue: Catalogue;
  /** Most cores of all worker nodes together; any number by default. */
  readonly maxCores?: number;
}

/** What NodePools and the cluster have of their limits. */
export const limitsOf = (
  { catalogue, maxCores }: CoresLimited,
  snapshot: Snapshot,
): { readonly poolUsage: PoolUsage; readonly clusterCores?: ClusterCores } => {
  const clusterCores = clusterCoresOf(maxCores, snapshot, catalogue);
  return { poolUsage: poolUsageOf(snapshot, catalogue), ...(clusterCores && { clusterCores }) };
};
