import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import {
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_DISRUPTED_TAINT,
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_INITIALIZED,
  KARPENTER_NODEPOOL,
  REMOVAL_DISABLED,
} from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import { isBoundToNode, isLive, isReschedulable } from '../../api/pods.ts';
import type { Covered } from '../model/billing.ts';
import { isDynamic } from '../model/nodepool.ts';
import { matchesNodeSelector, meets } from '../scheduling/nodeaffinity.ts';
import { type EvictionRules, evictionBlocker, isMarked, nodePodBlocker } from './evictionblocker.ts';

export type Scope = NonNullable<RebalancePlanClaimSpec['scope']>;
export type NodeConstraints = NonNullable<RebalancePlanClaimSpec['nodeConstraints']>;

/**
 * Whether a node's pods have not changed for consolidateAfter. Karpenter sets the condition Consolidatable then, but
 * never where its consolidation doesn't run (pkg/controllers/nodeclaim/disruption).
 */
const isConsolidatable = (claim: NodeClaim, pool: NodePool): boolean => {
  const after = pool.spec.disruption?.consolidateAfter;
  if (after === undefined || after === 'Never' || !/[1-9]/.test(after)) return true;
  return (
    claim.status?.conditions?.some(
      (condition) => condition.type === 'Consolidatable' && condition.status === 'True',
    ) ?? false
  );
};

/** The first requirement of its NodePool that a node no longer meets; Karpenter replaces such a node as drifted. */
const unmetRequirement = (node: Node, pool: NodePool): string | undefined =>
  pool.spec.template.spec.requirements.find((requirement) => {
    const value = node.metadata.labels?.[requirement.key];
    return value !== undefined && !meets(requirement, value);
  })?.key;

/** A node with its NodeClaim, NodePool and pods, as in Karpenter's cluster state. */
export interface StateNode {
  readonly node: Node;
  readonly claim: NodeClaim | undefined;
  readonly pool: NodePool | undefined;
  readonly pods: readonly Pod[];
  /** USD per hour without commitments; undefined when the catalogue has no price. */
  readonly price: number | undefined;
  readonly covered?: Covered | undefined;
}

/** Whether a node is within a plan's scope. */
export const isInScope = (node: Node, scope: Scope | undefined): boolean => {
  if (scope?.nodeNames) return scope.nodeNames.includes(node.metadata.name);
  return (
    scope?.nodeSelector === undefined ||
    matchesNodeSelector(scope.nodeSelector, node.metadata.labels ?? {}, node.metadata.name)
  );
};

/** Why a pod keeps its node from being replaced. */
const podBlocker = (pod: Pod, rules: EvictionRules): string | undefined => {
  if (isReschedulable(pod)) return evictionBlocker(pod, rules);
  return isBoundToNode(pod) && isLive(pod) ? nodePodBlocker(pod, rules) : undefined;
};

/** The reasons why a plan may not replace a node; empty when it may. */
export const disruptionBlockers = (
  state: StateNode,
  o: EvictionRules & {
    readonly constraints: NodeConstraints;
    readonly allowedDisruptions: (pool: NodePool) => number;
  },
): string[] => {
  const { node, claim, pool } = state;
  if (!claim) return ['it is not managed by Karpenter'];
  const reasons: string[] = [];
  const addIf = (is: boolean, reason: string): void => {
    if (is) reasons.push(reason);
  };
  addIf(!pool, `its NodePool ${node.metadata.labels?.[KARPENTER_NODEPOOL] ?? ''} does not exist`);
  addIf(pool !== undefined && !isDynamic(pool), 'its NodePool is static or being deleted');
  addIf(
    pool !== undefined && !o.mode.ignoreZeroNodePoolDisruptionBudgets && o.allowedDisruptions(pool) < 1,
    `the disruption budgets of NodePool ${pool?.metadata.name} allow no disruption now`,
  );
  addIf(state.price === undefined, 'the catalogue has no price for it');
  addIf(
    node.metadata.deletionTimestamp !== undefined || claim.metadata.deletionTimestamp !== undefined,
    'it is being deleted',
  );
  addIf(node.metadata.labels?.[KARPENTER_INITIALIZED] !== 'true', 'Karpenter has not initialized it');
  addIf(!isReady(node), 'it is not ready');
  addIf(
    (node.spec?.taints ?? []).some((taint) => taint.key === KARPENTER_DISRUPTED_TAINT),
    'Karpenter is disrupting it',
  );
  if (!o.mode.ignoreProblemRemovalDisabledNodes) {
    addIf(isMarked(node, REMOVAL_DISABLED), 'it is marked removal-disabled');
    addIf(
      isMarked(node, KARPENTER_DO_NOT_DISRUPT) || isMarked(claim, KARPENTER_DO_NOT_DISRUPT),
      'it is marked do-not-disrupt',
    );
  }
  if (pool && !o.mode.ignoreConsolidatable) {
    const after = pool.spec.disruption?.consolidateAfter;
    addIf(
      !isConsolidatable(claim, pool),
      `Karpenter does not call it consolidatable: its pods changed within consolidateAfter ${after} of NodePool ${pool.metadata.name}`,
    );
  }
  if (pool && !o.mode.ignoreInstanceCriteria) {
    const unmet = unmetRequirement(node, pool);
    addIf(
      unmet !== undefined,
      `it does not meet the requirement on ${unmet} of NodePool ${pool.metadata.name} any more, and is left to Karpenter's drift`,
    );
  }
  const age = (o.now - Date.parse(node.metadata.creationTimestamp ?? '')) / 1000;
  const minAge = o.constraints.minAgeSeconds ?? 0;
  addIf(minAge > 0 && !(age >= minAge), `it is younger than ${minAge} s`);
  for (const pod of state.pods) {
    const blocker = podBlocker(pod, o);
    if (blocker) reasons.push(blocker);
  }
  return reasons;
};

/** The node's capacity type; on-demand without the label. */
export const capacityTypeOf = (node: Node): string =>
  node.metadata.labels?.[KARPENTER_CAPACITY_TYPE] ?? 'on-demand';
/** The name of the node's instance type; empty without the label. */
export const typeOf = (node: Node): string => node.metadata.labels?.[INSTANCE_TYPE] ?? '';
