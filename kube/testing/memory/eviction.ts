import type { KubeObject, Pod, PodDisruptionBudget } from '../../../api/objects.ts';
import { hasEnded, isPodReady, isTerminating } from '../../../api/pods.ts';
import { POD_DISRUPTION_BUDGETS, type Resource } from '../../../api/resources.ts';
import type { KubeError } from '../../errors.ts';
import { internal, tooManyRequests } from './errors.ts';
import { matchesLabels } from './selectors.ts';

/** A budget with what its controller reads; percentages are not known here. */
type Budget = PodDisruptionBudget & {
  readonly spec?: { readonly minAvailable?: number; readonly maxUnavailable?: number };
};

/** The part of the API server that budgets are counted from. */
interface Objects {
  pods(): readonly Pod[];
  list<T extends KubeObject>(resource: Resource<T>): readonly T[];
  edit<T extends KubeObject>(
    resource: Resource<T>,
    ref: T['metadata'],
    change: (object: T) => T,
  ): T | undefined;
}

const guards = (budget: Budget, pod: Pod): boolean =>
  budget.metadata.namespace === pod.metadata.namespace &&
  matchesLabels(budget.spec?.selector, pod.metadata.labels);

export interface Health {
  readonly expectedPods: number;
  readonly currentHealthy: number;
  readonly desiredHealthy: number;
  readonly disruptionsAllowed: number;
}

/** What the disruption controller writes into a budget's status. */
export const healthOf = (api: Objects, budget: Budget): Health => {
  const pods = api.pods().filter((pod) => guards(budget, pod) && !hasEnded(pod));
  const expected = pods.filter((pod) => !isTerminating(pod)).length;
  const healthy = pods.filter((pod) => !isTerminating(pod) && isPodReady(pod)).length;
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  const desired = minAvailable ?? Math.max(0, expected - (maxUnavailable ?? 0));
  return {
    expectedPods: expected,
    currentHealthy: healthy,
    desiredHealthy: desired,
    disruptionsAllowed: Math.max(0, healthy - desired),
  };
};

/** Brings the status of every budget up to date. */
export const countBudgets = (api: Objects): void => {
  for (const budget of api.list<Budget>(POD_DISRUPTION_BUDGETS)) {
    const status = healthOf(api, budget);
    api.edit(POD_DISRUPTION_BUDGETS, budget.metadata, (old) => ({ ...old, status }));
  }
};

/** Why an eviction is refused: as in registry/core/pod/storage/eviction.go. */
export const blockingBudget = (api: Objects, pod: Pod): KubeError | undefined => {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || isTerminating(pod)) {
    return undefined;
  }
  const budgets = api.list<Budget>(POD_DISRUPTION_BUDGETS).filter((budget) => guards(budget, pod));
  if (budgets.length > 1) return internal('This pod has more than one PodDisruptionBudget');
  const [budget] = budgets;
  if (!budget) return undefined;
  const { currentHealthy, desiredHealthy, disruptionsAllowed } = healthOf(api, budget);
  if (!isPodReady(pod)) {
    if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return undefined;
    if (currentHealthy >= desiredHealthy && desiredHealthy > 0) return undefined;
  }
  return disruptionsAllowed > 0
    ? undefined
    : tooManyRequests(pod.metadata.name, 'it would violate the disruption budget');
};
