import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { KARPENTER_DO_NOT_DISRUPT, REMOVAL_DISABLED, SAFE_TO_EVICT } from '../../api/labels.ts';
import type { KubeObject, Pod, PodDisruptionBudget, ReplicaSet } from '../../api/objects.ts';
import { controllerOf, isSurgeWanted, podName } from '../../api/pods.ts';
import { labelsOf, namespaceOf } from '../scheduling/interpodaffinity.ts';
import { matchesLabels } from '../scheduling/nodeaffinity.ts';

/** The blockers that a plan is asked to ignore. */
export type AggressiveMode = NonNullable<RebalancePlanClaimSpec['aggressiveModeConfig']>;

/** Whether an object has the key with 'true', as label or annotation. */
export const isMarked = (object: KubeObject, key: string): boolean =>
  object.metadata.labels?.[key] === 'true' || object.metadata.annotations?.[key] === 'true';

/**
 * Tells which pods surge: a Deployment's only pod stays until its successor is ready. With two pods its disruption
 * budget allows one eviction.
 */
export const createSurgeCheck = (
  replicaSets: readonly ReplicaSet[],
  byDefault: boolean,
): ((pod: Pod) => boolean) => {
  const byUid = new Map(replicaSets.map((replicaSet) => [replicaSet.metadata.uid, replicaSet]));
  return (pod) => {
    const replicaSet = byUid.get(controllerOf(pod)?.uid);
    if (replicaSet?.spec?.replicas !== 1) return false;
    const { ownerReferences = [] } = replicaSet.metadata;
    return (
      isSurgeWanted(pod, replicaSet, byDefault) &&
      ownerReferences.some((owner) => owner.kind === 'Deployment')
    );
  };
};

const isViolated = ({ status }: PodDisruptionBudget): boolean =>
  (status?.currentHealthy ?? 0) < (status?.desiredHealthy ?? 0);

/** Why a pod may not be evicted, so that its node can't be drained. */
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
    if (isMarked(pod, REMOVAL_DISABLED)) return `pod ${podName(pod)} is marked removal-disabled`;
    if (isMarked(pod, KARPENTER_DO_NOT_DISRUPT)) return `pod ${podName(pod)} is marked do-not-disrupt`;
    if (pod.metadata.annotations?.[SAFE_TO_EVICT] === 'false') {
      return `pod ${podName(pod)} is marked safe-to-evict=false`;
    }
  }
  if (!mode.ignoreLocalPersistentVolumes && hasLocalVolume(pod)) {
    return `pod ${podName(pod)} has a volume that is local to the node`;
  }
  if (!mode.ignoreBlockingPDB) {
    const blocking = budgets.find(
      (budget) =>
        (budget.metadata.namespace ?? 'default') === namespaceOf(pod) &&
        matchesLabels(budget.spec?.selector, labelsOf(pod)) &&
        (budget.status?.disruptionsAllowed ?? 0) < 1 &&
        (isViolated(budget) || !willSurge(pod)),
    );
    if (blocking) {
      return `pod ${podName(pod)} is protected by PodDisruptionBudget ${blocking.metadata.name}, which allows no disruption`;
    }
  }
  return undefined;
};
