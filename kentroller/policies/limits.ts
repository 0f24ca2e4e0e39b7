import { consolidationOwner, isMarkedBy } from '../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { IN_USE_BY } from '../../api/labels.ts';
import { isWorker } from '../../api/nodes.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { deletedClaims, isRunning } from '../../api/plans.ts';
import { amount } from '../../api/quantity.ts';
import { type Caches, claimOf } from '../caches.ts';

/** The one count of cores that minCores is compared with, for plans and for node consolidation, at the decision and at the act. */

const MILLI = 1_000;

/** NodeClaims that running plans are about to delete. */
const plannedToGo = (plans: readonly RebalancePlan[]): ReadonlySet<string> =>
  new Set(plans.filter(isRunning).flatMap(({ spec }) => deletedClaims(spec)));

/** Whether node consolidation has marked a NodeClaim, which it is about to delete. */
export const isMarked = (claim: NodeClaim): boolean =>
  isMarkedBy(consolidationOwner(claim), claim, IN_USE_BY);

/**
 * Millicores of the worker nodes that stay: neither those that `goes` names, nor those that go already, by their NodeClaim, a
 * running plan or node consolidation.
 */
export const coresThatStay = (
  caches: Pick<Caches, 'nodes' | 'nodeClaims' | 'plans'>,
  goes: (claim: NodeClaim) => boolean,
): number => {
  const planned = plannedToGo(caches.plans.list());
  const isGoing = (claim: NodeClaim): boolean =>
    claim.metadata.deletionTimestamp !== undefined ||
    planned.has(claim.metadata.name) ||
    isMarked(claim) ||
    goes(claim);
  return caches.nodes
    .list()
    .filter((node) => {
      if (!isWorker(node) || node.metadata.deletionTimestamp) return false;
      const claim = claimOf(caches, node);
      return claim === undefined || !isGoing(claim);
    })
    .reduce((sum, { status }) => sum + amount('cpu', status?.capacity?.cpu ?? '0'), 0);
};

/** Why what is left is too little, by clusterLimits.cpu.minCores; undefined where it is enough. */
export const coresBelow = (minCores: number, leftMillicores: number): string | undefined =>
  leftMillicores < minCores * MILLI
    ? `without it the cluster would have ${leftMillicores / MILLI} cores, and clusterLimits.cpu.minCores is ${minCores}`
    : undefined;
