import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import { amount, formatAmount } from '../../../api/quantity.ts';
import type { InstanceType } from '../../model/catalogue.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { PlanFault } from './fault.ts';

/** What a limit counts of a machine. */
const countOf = ({ capacity }: InstanceType, resource: string): number => {
  switch (resource) {
    case 'cpu':
      return capacity.cpu;
    case 'memory':
      return capacity.memory;
    case 'pods':
      return capacity.pods;
    case 'ephemeral-storage':
      return capacity.ephemeralStorage;
    case 'nodes':
      return 1;
    default:
      return capacity.other[resource] ?? 0;
  }
};

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

/**
 * Checks the limits of NodePools that the plan adds nodes to; removed nodes are not counted. A NodePool that exceeds
 * its limits may stay so, but not exceed them further.
 */
export const limitFaults = (
  { nodePools, nodes }: Snapshot,
  removed: ReadonlySet<string>,
  planned: readonly PlannedTypes[],
): PlanFault[] =>
  nodePools.flatMap(({ metadata: { name }, spec, status }) => {
    const limits = Object.entries(spec.limits ?? {});
    const claims = planned.filter(({ pool }) => pool === name);
    if (limits.length === 0 || claims.length === 0) return [];
    const leaving = nodes.filter(
      ({ metadata }) => removed.has(metadata.name) && metadata.labels?.[KARPENTER_NODEPOOL] === name,
    );
    return limits.flatMap(([resource, limit]): PlanFault[] => {
      const used = amount(resource, status?.resources?.[resource] ?? '0');
      const freed = leaving.reduce(
        (sum, node) =>
          sum + (resource === 'nodes' ? 1 : amount(resource, node.status?.capacity?.[resource] ?? '0')),
        0,
      );
      const added = claims.reduce((sum, claim) => sum + shareOf(claim, resource), 0);
      const after = used - freed + added;
      if (after <= Math.max(amount(resource, limit), used)) return [];
      const message = `NodePool ${name} may come to ${formatAmount(resource, after)} of ${resource}, more than its limit of ${limit}.`;
      return [{ rule: 'NodePoolLimits', message }];
    });
  });
