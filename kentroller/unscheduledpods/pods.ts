import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { AWAITS_PLAN, KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import {
  type ControllerRef,
  controllerKey,
  controllerOf,
  foreignSchedulerOf,
  hasEnded,
  isAwaitingPlan,
  isBoundToNode,
  isTerminating,
  isUnschedulable,
  podName,
} from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { movedByPlans } from '../followkarpenter/pods.ts';

/** Whether a pod's nomination is as it was written: neither taken off, nor kept against kube-scheduler. */
export const isHeldInFull = ({ status }: Pod): boolean => status?.nominatedNodeName === AWAITS_PLAN;

/** Whether kube-scheduler would leave a nomination on the pod for ever: such a pod is never nominated for a plan. */
export const keepsNomination = ({ spec }: Pod): boolean => spec.preemptionPolicy === 'Never';

/** Whether a plan may still buy or move: it is to be executed, and has not ended. */
export const isOpen = (plan: RebalancePlan): boolean =>
  plan.spec.execute && !isFinished(plan) && plan.metadata.deletionTimestamp === undefined;

/**
 * A predicate: true for a pod that an open plan has a node for. A pod that took the place of one which is gone counts as that
 * one, and so many new pods of an owner as the plan expects: their machine is ordered.
 */
export const coveredByPlans = (
  plans: readonly RebalancePlan[],
  podAt: (name: string) => Pod | undefined,
): ((pod: Pod) => boolean) => {
  const open = plans.filter(isOpen);
  const isMoved = movedByPlans(open);
  const names = new Set<string>();
  const spare = new Map<string, number>();
  const addSpare = (owner: ControllerRef, namespace: string, count: number): void => {
    const key = controllerKey(owner, namespace);
    spare.set(key, (spare.get(key) ?? 0) + count);
  };
  for (const { srcNode, namespace, name, owner } of open.flatMap(({ spec }) => spec.podsToMigrate ?? [])) {
    if (srcNode) continue;
    const key = `${namespace}/${name}`;
    names.add(key);
    if (!owner || podAt(key)) continue;
    addSpare(owner, namespace, 1);
  }
  for (const { status } of open) {
    for (const { owner, namespace, count } of status?.expectedPods ?? []) addSpare(owner, namespace, count);
  }
  return (pod) => {
    if (names.has(podName(pod)) || isMoved(pod)) return true;
    const owner = controllerOf(pod);
    const key = owner && controllerKey(owner, pod.metadata.namespace ?? '');
    const left = key === undefined ? 0 : (spare.get(key) ?? 0);
    if (key === undefined || left === 0) return false;
    spare.set(key, left - 1);
    return true;
  };
};

/** Whether a new node might help a pod: kube-scheduler has found none for it, and nobody has promised it one. */
export const mayNeedNode = (pod: Pod, schedulers?: readonly string[]): boolean => {
  const nominated = pod.status?.nominatedNodeName ?? '';
  return (
    isUnschedulable(pod) &&
    !pod.spec.nodeName &&
    !hasEnded(pod) &&
    !isTerminating(pod) &&
    (nominated === '' || isAwaitingPlan(pod)) &&
    (pod.spec.schedulingGates ?? []).length === 0 &&
    !isBoundToNode(pod) &&
    foreignSchedulerOf(pod, schedulers) === undefined
  );
};

/** Whether a pod names values of a label by selector or required affinity, and only such as are meant. */
export const selectsOnly = ({ spec }: Pod, key: string, isMeant: (value: string) => boolean): boolean => {
  const selected = valueAt(spec.nodeSelector, key);
  if (selected !== undefined) return isMeant(selected);
  const { nodeSelectorTerms = [] } =
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? {};
  return (
    nodeSelectorTerms.length > 0 &&
    nodeSelectorTerms.every(({ matchExpressions = [] }) =>
      matchExpressions.some(
        (each) => each.key === key && each.operator === 'In' && (each.values ?? []).every(isMeant),
      ),
    )
  );
};

/** Whether a pod names NodePools by selector or required affinity, and only such as are for plans alone. */
export const selectsPlansOnly = (pod: Pod, plansOnly: ReadonlySet<string>): boolean =>
  selectsOnly(pod, KARPENTER_NODEPOOL, (name) => plansOnly.has(name));
