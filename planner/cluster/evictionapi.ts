import type { Pod, PodDisruptionBudget } from '../../api/objects.ts';
import { isTerminating, podName } from '../../api/pods.ts';
import { labelsOf, namespaceOf } from '../scheduling/interpodaffinity.ts';
import { matchesLabels } from '../scheduling/nodeaffinity.ts';
import type { Blocker } from './blocker.ts';

/** Whether a budget counts a pod. */
export const budgetSelects = (budget: PodDisruptionBudget, pod: Pod): boolean =>
  (budget.metadata.namespace ?? 'default') === namespaceOf(pod) &&
  matchesLabels(budget.spec?.selector, labelsOf(pod));

const isViolated = ({ status }: PodDisruptionBudget): boolean =>
  (status?.currentHealthy ?? 0) < (status?.desiredHealthy ?? 0);

/** Whether the kubelet calls the pod not ready; a pod without the condition counts as ready. */
const isUnready = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is !== 'True') ?? false;

/** Whether a pod that is not ready goes without using up the budget: always, or while enough others are healthy. */
const letsUnhealthyGo = (budget: PodDisruptionBudget, pod: Pod): boolean => {
  if (!isUnready(pod)) return false;
  if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  return (budget.status?.desiredHealthy ?? 0) > 0 && !isViolated(budget);
};

/** Pods that the API server evicts without looking at budgets: those that never started or are going already. */
const isFree = (pod: Pod): boolean => pod.status?.phase === 'Pending' || isTerminating(pod);

/** Why the Eviction API refuses a pod whatever its budgets allow: it has several of them. */
export const severalBudgetsBlocker = (
  pod: Pod,
  budgets: readonly PodDisruptionBudget[],
): Blocker | undefined => {
  if (isFree(pod)) return undefined;
  const own = budgets.filter((budget) => budgetSelects(budget, pod));
  if (own.length < 2) return undefined;
  const names = own.map(({ metadata }) => metadata.name).sort();
  const by = `covered by more than one PodDisruptionBudget (${names.join(', ')}), and the eviction API refuses such pods`;
  return {
    kind: 'pod-budgets',
    cause: `pods of namespace ${namespaceOf(pod)} are ${by}`,
    message: `pod ${podName(pod)} is ${by}`,
    pod: podName(pod),
  };
};

/**
 * Why the Eviction API would refuse a pod now, by its PodDisruptionBudgets; undefined when it would not. With a
 * successor of its own (`willSurge`), a pod needs a budget that is not violated, and no more.
 * Source: pkg/registry/core/pod/storage/eviction.go of Kubernetes.
 */
export const budgetBlocker = (
  pod: Pod,
  budgets: readonly PodDisruptionBudget[],
  willSurge: boolean,
): Blocker | undefined => {
  if (isFree(pod)) return undefined;
  const several = severalBudgetsBlocker(pod, budgets);
  if (several) return several;
  const budget = budgets.find((each) => budgetSelects(each, pod));
  if (!budget) return undefined;
  if ((budget.status?.disruptionsAllowed ?? 0) >= 1 || letsUnhealthyGo(budget, pod)) return undefined;
  if (willSurge && !isViolated(budget)) return undefined;
  return {
    kind: 'pod-budget',
    cause: `PodDisruptionBudget ${namespaceOf(pod)}/${budget.metadata.name} allows no disruption`,
    message: `pod ${podName(pod)} is protected by PodDisruptionBudget ${budget.metadata.name}, which allows no disruption`,
    pod: podName(pod),
  };
};
