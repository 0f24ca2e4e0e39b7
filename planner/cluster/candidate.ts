import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import {
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_DISRUPTED_TAINT,
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_INITIALIZED,
  KARPENTER_NODEPOOL,
  REMOVAL_DISABLED,
  SAFE_TO_EVICT,
} from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type {
  KubeObject,
  Node,
  NodeClaim,
  NodePool,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
} from '../../api/objects.ts';
import { controllerOf, isReschedulable, isSurgeWanted, podName } from '../../api/pods.ts';
import type { Covered } from '../model/billing.ts';
import { isDynamic } from '../model/nodepool.ts';
import { labelsOf, namespaceOf } from '../scheduling/interpodaffinity.ts';
import { matchesLabels, matchesNodeSelector, meets } from '../scheduling/nodeaffinity.ts';

export type Scope = NonNullable<RebalancePlanClaimSpec['scope']>;
export type NodeConstraints = NonNullable<RebalancePlanClaimSpec['nodeConstraints']>;
export type AggressiveMode = NonNullable<RebalancePlanClaimSpec['aggressiveModeConfig']>;

const isSet = (object: KubeObject, key: string): boolean =>
  object.metadata.labels?.[key] === 'true' || object.metadata.annotations?.[key] === 'true';

/** Tells a Deployment's only pod that gets a successor before it goes: with two of them its budget lets one go. */
export const createSurgeCheck = (
  replicaSets: readonly ReplicaSet[],
  byDefault: boolean,
): ((pod: Pod) => boolean) => {
  const byUid = new Map(replicaSets.map((each) => [each.metadata.uid, each]));
  return (pod) => {
    const replicaSet = byUid.get(controllerOf(pod)?.uid);
    if (replicaSet?.spec?.replicas !== 1) return false;
    const { ownerReferences = [] } = replicaSet.metadata;
    return (
      isSurgeWanted(pod, replicaSet, byDefault) && ownerReferences.some((each) => each.kind === 'Deployment')
    );
  };
};

const isViolated = ({ status }: PodDisruptionBudget): boolean =>
  (status?.currentHealthy ?? 0) < (status?.desiredHealthy ?? 0);

/** Why a pod keeps its node from being emptied, or null. */
export const evictionBlocker = (
  pod: Pod,
  budgets: readonly PodDisruptionBudget[],
  mode: AggressiveMode,
  hasLocalVolume: (pod: Pod) => boolean,
  willSurge: (pod: Pod) => boolean,
): string | undefined => {
  const owner = controllerOf(pod);
  if (!owner && !mode.ignoreProblemPodsWithoutController) return `pod ${podName(pod)} has no controller`;
  if (owner?.kind === 'Job' && !mode.ignoreProblemJobPods) return `pod ${podName(pod)} belongs to a Job`;
  if (!mode.ignoreProblemRemovalDisabledPods) {
    if (isSet(pod, REMOVAL_DISABLED)) return `pod ${podName(pod)} is marked removal-disabled`;
    if (isSet(pod, KARPENTER_DO_NOT_DISRUPT)) return `pod ${podName(pod)} is marked do-not-disrupt`;
    if (pod.metadata.annotations?.[SAFE_TO_EVICT] === 'false') {
      return `pod ${podName(pod)} is marked safe-to-evict=false`;
    }
  }
  if (!mode.ignoreLocalPersistentVolumes && hasLocalVolume(pod)) {
    return `pod ${podName(pod)} has a volume that is local to the node`;
  }
  if (!mode.ignoreBlockingPDB) {
    const blocking = budgets.find(
      (each) =>
        (each.metadata.namespace ?? 'default') === namespaceOf(pod) &&
        matchesLabels(each.spec?.selector, labelsOf(pod)) &&
        (each.status?.disruptionsAllowed ?? 0) < 1 &&
        (isViolated(each) || !willSurge(pod)),
    );
    if (blocking) {
      return `pod ${podName(pod)} is protected by PodDisruptionBudget ${blocking.metadata.name}, which allows no disruption`;
    }
  }
  return undefined;
};

/**
 * Whether the NodePool's quiet time after changes among the pods is over. Karpenter says so with the condition
 * Consolidatable, and says nothing where its consolidation never runs (pkg/controllers/nodeclaim/disruption).
 */
const isConsolidatable = (claim: NodeClaim, pool: NodePool): boolean => {
  const after = pool.spec.disruption?.consolidateAfter;
  if (after === undefined || after === 'Never' || !/[1-9]/.test(after)) return true;
  return (
    claim.status?.conditions?.some((each) => each.type === 'Consolidatable' && each.status === 'True') ??
    false
  );
};

/** The first requirement of its NodePool that a node no longer meets: Karpenter will replace it as drifted. */
const unmetRequirement = (node: Node, pool: NodePool): string | undefined =>
  pool.spec.template.spec.requirements.find((each) => {
    const value = node.metadata.labels?.[each.key];
    return value !== undefined && !meets(each, value);
  })?.key;

export interface StateNode {
  readonly node: Node;
  readonly claim: NodeClaim | undefined;
  readonly pool: NodePool | undefined;
  readonly pods: readonly Pod[];
  /** USD per hour, if the catalogue knows; beyond every commitment. */
  readonly price: number | undefined;
  readonly covered?: Covered | undefined;
}

/** Whether a scope takes a node in. */
export const isInScope = (node: Node, scope: Scope | undefined): boolean => {
  if (scope?.nodeNames) return scope.nodeNames.includes(node.metadata.name);
  return (
    scope?.nodeSelector === undefined ||
    matchesNodeSelector(scope.nodeSelector, node.metadata.labels ?? {}, node.metadata.name)
  );
};

/** Why a node must be left out of a plan; empty when it may be replaced. */
export const disruptionBlockers = (
  facts: StateNode,
  o: {
    readonly now: number;
    readonly constraints: NodeConstraints;
    readonly mode: AggressiveMode;
    readonly budgets: readonly PodDisruptionBudget[];
    readonly hasLocalVolume: (pod: Pod) => boolean;
    /** Whether a pod gets a successor before it goes. */
    readonly willSurge: (pod: Pod) => boolean;
    /** How many nodes of the NodePool may be disrupted at once. */
    readonly allowedDisruptions: (pool: NodePool) => number;
  },
): string[] => {
  const { node, claim, pool } = facts;
  if (!claim) return ['it is not managed by Karpenter'];
  const reasons: string[] = [];
  const addIf = (is: boolean, reason: string): void => {
    if (is) reasons.push(reason);
  };
  addIf(!pool, `its NodePool ${node.metadata.labels?.[KARPENTER_NODEPOOL] ?? ''} is not there`);
  addIf(pool !== undefined && !isDynamic(pool), 'its NodePool is static or being deleted');
  addIf(
    pool !== undefined && !o.mode.ignoreZeroNodePoolDisruptionBudgets && o.allowedDisruptions(pool) < 1,
    `the disruption budgets of NodePool ${pool?.metadata.name} allow none now`,
  );
  addIf(facts.price === undefined, 'the catalogue has no price for it');
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
    addIf(isSet(node, REMOVAL_DISABLED), 'it is marked removal-disabled');
    addIf(
      isSet(node, KARPENTER_DO_NOT_DISRUPT) || isSet(claim, KARPENTER_DO_NOT_DISRUPT),
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
  for (const pod of facts.pods) {
    const blocked = isReschedulable(pod)
      ? evictionBlocker(pod, o.budgets, o.mode, o.hasLocalVolume, o.willSurge)
      : undefined;
    if (blocked) reasons.push(blocked);
  }
  return reasons;
};

export const capacityTypeOf = (node: Node): string =>
  node.metadata.labels?.[KARPENTER_CAPACITY_TYPE] ?? 'on-demand';
/** The instance type of a node. */
export const typeOf = (node: Node): string => node.metadata.labels?.[INSTANCE_TYPE] ?? '';
