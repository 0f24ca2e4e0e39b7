import { derivedName, labelValueOf, MAX_NODE_CLAIM_NAME } from '../../../api/identity/names.ts';
import { isMarkedBy, ownerMark } from '../../../api/identity/ownermark.ts';
import type { NodeClaimToAdd, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import {
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_NODEPOOL,
  KARPENTER_NODEPOOL_HASH,
  KARPENTER_NODEPOOL_HASH_VERSION,
  OWNED_BY,
  PLAN,
} from '../../../api/labels.ts';
import type { NodeClaim, NodePool, Taint } from '../../../api/objects.ts';
import { reservationOf } from '../../../api/reservation.ts';
import { asScoped, isPlannedScoped } from '../../../planner/model/nodepool.ts';
import { PLANNED_CLAIM } from '../state/labels.ts';
import type { Alternative } from './alternatives.ts';

/** Name of the NodeClaim of the n-th attempt, from 1. */
export const attemptName = (planned: string, n: number): string =>
  derivedName(planned, n === 1 ? '' : `-attempt-${n}`, MAX_NODE_CLAIM_NAME);

/** True for a NodeClaim that the plan created and has not released: a released one is no longer its to delete. */
export const isReserved = (plan: Pick<RebalancePlan, 'metadata'>, claim: NodeClaim): boolean =>
  isMarkedBy(plan, claim, OWNED_BY) && claim.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined;

const unique = (taints: readonly Taint[]): Taint[] => {
  const seen = new Set<string>();
  return taints.filter((t) => {
    const id = `${t.key}:${t.effect}`;
    return !seen.has(id) && seen.add(id);
  });
};

/**
 * The NodeClaim of a planned node: as Karpenter's provisioner would create it for this NodePool as it is now, plus
 * do-not-disrupt and the taint that reserves it for the plan's pods. The plan chooses among machines, and whether
 * the node is of scoped mode, and nothing else.
 */
export const buildNodeClaim = (o: {
  readonly plan: RebalancePlan;
  readonly planned: NodeClaimToAdd;
  readonly alternative: Alternative;
  readonly name: string;
  readonly pool: NodePool;
}): NodeClaim => {
  const { planned } = o;
  const pool = isPlannedScoped(o.pool, planned) ? asScoped(o.pool) : o.pool;
  const { template } = pool.spec;
  const ref = template.spec.nodeClassRef;
  const hash = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH];
  const hashVersion = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH_VERSION];
  const { resources } = planned.spec;
  const { startupTaints, expireAfter, terminationGracePeriod } = template.spec;
  return {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: {
      name: o.name,
      labels: {
        ...template.metadata?.labels,
        [KARPENTER_NODEPOOL]: pool.metadata.name,
        [`${ref.group}/${ref.kind.toLowerCase()}`]: ref.name,
        [PLAN]: labelValueOf(o.plan.metadata.name),
      },
      annotations: {
        ...template.metadata?.annotations,
        ...(hash !== undefined && { [KARPENTER_NODEPOOL_HASH]: hash }),
        ...(hashVersion !== undefined && { [KARPENTER_NODEPOOL_HASH_VERSION]: hashVersion }),
        [KARPENTER_DO_NOT_DISRUPT]: 'true',
        [OWNED_BY]: ownerMark(o.plan),
        [PLANNED_CLAIM]: planned.metadata.name,
      },
      ownerReferences: [
        {
          apiVersion: 'karpenter.sh/v1',
          kind: 'NodePool',
          name: pool.metadata.name,
          uid: pool.metadata.uid ?? '',
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      nodeClassRef: { ...ref },
      ...(resources && { resources }),
      // The placeholder of this claim's machine carries the same taints: pinning/intents.ts sends them to the pinner.
      taints: unique([...(template.spec.taints ?? []), reservationOf(planned.metadata.name)]),
      ...(startupTaints && { startupTaints: [...startupTaints] }),
      ...(expireAfter !== undefined && { expireAfter }),
      ...(terminationGracePeriod !== undefined && { terminationGracePeriod }),
      requirements: [...o.alternative.requirements],
    },
  };
};
