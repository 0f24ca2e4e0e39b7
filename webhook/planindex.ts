import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import { isRunning } from '../api/plans.ts';
import { controllerKey } from '../api/pods.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { IsOwnerMoved } from './eligibility.ts';

/** In this namespace, and under another key in any. */
const movedOwnersOf = (plan: RebalancePlan): readonly string[] =>
  isRunning(plan)
    ? (plan.spec.podsToMigrate ?? []).flatMap(({ owner, namespace }) =>
        owner ? [controllerKey(owner, namespace), controllerKey(owner, '')] : [],
      )
    : [];

/** Cuts a plan down to what the webhook reads of it, because plans of thousands of pods are large. */
export const trimPlan = (plan: RebalancePlan): RebalancePlan => ({
  metadata: plan.metadata,
  spec: {
    execute: plan.spec.execute,
    podsToMigrate: (plan.spec.podsToMigrate ?? []).map(({ name, namespace, owner }) => ({
      name,
      namespace,
      ...(owner && { owner }),
    })),
  },
  ...(plan.status?.state && { status: { state: plan.status.state } }),
});

/** Indexes the owners whose pods running plans move; the answer takes constant time. */
export const indexMovedOwners = (plans: Pick<Cache<RebalancePlan>, 'onChange'>): IsOwnerMoved => {
  const counts = new Map<string, number>();
  const count = (plan: RebalancePlan, change: 1 | -1): void => {
    for (const key of movedOwnersOf(plan)) {
      const pods = (counts.get(key) ?? 0) + change;
      if (pods > 0) counts.set(key, pods);
      else counts.delete(key);
    }
  };
  plans.onChange((change) => {
    if (change.type === 'add') count(change.object, 1);
    else if (change.type === 'delete') count(change.object, -1);
    else {
      count(change.old, -1);
      count(change.object, 1);
    }
  });
  return (owner, namespace) => counts.has(controllerKey(owner, namespace ?? ''));
};
