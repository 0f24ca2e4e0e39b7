import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { isWorker } from '../../api/nodes.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { isRunning } from '../../api/plans.ts';
import { amount } from '../../api/quantity.ts';

const MILLI = 1_000;

/** Names of the NodeClaims that a plan deletes. */
export const deletedClaims = ({
  nodeClaimsToDelete = [],
}: Pick<RebalancePlanSpec, 'nodeClaimsToDelete'>): readonly string[] =>
  nodeClaimsToDelete.map(({ nodeClaimName }) => nodeClaimName);

/** NodeClaims that running plans are about to delete. */
export const plannedToGo = (plans: readonly RebalancePlan[]): ReadonlySet<string> =>
  new Set(plans.filter(isRunning).flatMap(({ spec }) => deletedClaims(spec)));

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
