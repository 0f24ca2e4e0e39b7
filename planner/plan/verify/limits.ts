import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { Node, NodeClaim, NodePool } from '../../../api/objects.ts';
import { amount, formatAmount } from '../../../api/quantity.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import { amountOf, type InstanceType } from '../../model/catalogue.ts';
import { poolLimits } from '../../model/nodepool.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { PlanFault } from './fault.ts';

/** What a limit counts of a machine. */
const countOf = ({ capacity }: InstanceType, resource: string): number =>
  resource === 'nodes' ? 1 : amountOf(capacity, resource);

/** The types that a planned claim may become, under the NodePool that it is of. */
export interface PlannedTypes {
  readonly pool: string;
  readonly types: readonly InstanceType[];
  /** Whether the claim has to name types beyond the planned one, however large they are. */
  readonly hasMinValues: boolean;
}

/** The claim's share of a limit: its largest type, or the smallest where minValues ask for more of them. */
const shareOf = ({ types, hasMinValues }: PlannedTypes, resource: string): number => {
  if (types.length === 0) return 0;
  const counts = types.map((type) => countOf(type, resource));
  return hasMinValues ? Math.min(...counts) : Math.max(...counts);
};

/** What a NodePool has: by its status, or by its nodes where those are more. Claims without a node count as nodes alone. */
const usedOf = ({ nodes, nodeClaims }: Snapshot, pool: NodePool, resource: string): number => {
  const { name } = pool.metadata;
  const isOwn = ({ metadata }: Node | NodeClaim): boolean =>
    metadata.labels?.[KARPENTER_NODEPOOL] === name && metadata.deletionTimestamp === undefined;
  const status = amount(resource, valueAt(pool.status?.resources, resource) ?? '0');
  if (resource === 'nodes') {
    const claims = nodeClaims.filter(isOwn);
    const coming = claims.filter((claim) => !claim.status?.providerID).length;
    return Math.max(status, claims.length - coming) + coming;
  }
  const there = nodes
    .filter(isOwn)
    .reduce((sum, node) => sum + amount(resource, valueAt(node.status?.capacity, resource) ?? '0'), 0);
  return Math.max(status, there);
};

/**
 * Checks the limits of NodePools that the plan adds nodes to, beside all that they have: the nodes that the plan removes
 * go last.
 */
export const limitFaults = (snapshot: Snapshot, planned: readonly PlannedTypes[]): PlanFault[] =>
  snapshot.nodePools.flatMap((pool) => {
    const { name } = pool.metadata;
    const limits = Object.entries(poolLimits(pool));
    const claims = planned.filter(({ pool }) => pool === name);
    if (limits.length === 0 || claims.length === 0) return [];
    return limits.flatMap(([resource, limit]): PlanFault[] => {
      const added = claims.reduce((sum, claim) => sum + shareOf(claim, resource), 0);
      const most = usedOf(snapshot, pool, resource) + added;
      if (added === 0 || most <= amount(resource, limit)) return [];
      const message = `NodePool ${name} may come to ${formatAmount(resource, most)} of ${resource}, more than its limit of ${limit}.`;
      return [{ rule: 'NodePoolLimits', message }];
    });
  });
