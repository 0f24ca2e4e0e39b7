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
import { RESERVATION } from '../reservation.ts';
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
 * The NodeClaim of a planned node: as Karpenter's provisioner would create it for this NodePool, plus do-not-disrupt
 * and the taint that reserves it for the plan's pods.
 */
export const buildNodeClaim = (o: {
  readonly plan: RebalancePlan;
  readonly planned: NodeClaimToAdd;
  readonly alternative: Alternative;
  readonly name: string;
  readonly pool: NodePool;
}): NodeClaim => {
  const { planned, pool } = o;
  const { template } = pool.spec;
  const ref = planned.spec.nodeClassRef;
  const hash = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH];
  const hashVersion = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH_VERSION];
  const { requirements: _, ...spec } = planned.spec;
  const startupTaints = spec.startupTaints ?? template.spec.startupTaints;
  const expireAfter = spec.expireAfter ?? template.spec.expireAfter;
  const terminationGracePeriod = spec.terminationGracePeriod ?? template.spec.terminationGracePeriod;
  return {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: {
      name: o.name,
      labels: {
        ...template.metadata?.labels,
        ...planned.metadata.labels,
        [KARPENTER_NODEPOOL]: pool.metadata.name,
        [`${ref.group}/${ref.kind.toLowerCase()}`]: ref.name,
        [PLAN]: labelValueOf(o.plan.metadata.name),
      },
      annotations: {
        ...template.metadata?.annotations,
        ...(hash !== undefined && { [KARPENTER_NODEPOOL_HASH]: hash }),
        ...(hashVersion !== undefined && { [KARPENTER_NODEPOOL_HASH_VERSION]: hashVersion }),
        // With the plan's own hash Karpenter replaces the node as drifted if the NodePool has changed since.
        ...planned.metadata.annotations,
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
      ...spec,
      // The placeholder of this claim's machine carries the same taints: pinning/intents.ts sends them to the pinner.
      taints: unique([...(spec.taints ?? template.spec.taints ?? []), RESERVATION]),
      ...(startupTaints && { startupTaints }),
      ...(expireAfter && { expireAfter }),
      ...(terminationGracePeriod && { terminationGracePeriod }),
      requirements: [...o.alternative.requirements],
    },
  };
};
