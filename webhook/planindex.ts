import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import { isRunning } from '../api/plans.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { IsOwnerMoved } from './eligibility.ts';

const movedOwnersOf = (plan: RebalancePlan): readonly string[] =>
  isRunning(plan) ? (plan.spec.podsToMigrate ?? []).flatMap(({ owner }) => (owner ? [owner.uid] : [])) : [];

/** Cuts a plan down to what the webhook reads of it, because plans of thousands of pods are large. */
export const trimPlan = (plan: RebalancePlan): RebalancePlan => ({
  metadata: plan.metadata,
  spec: {
    execute: plan.spec.execute,
    podsToMigrate: (plan.spec.podsToMigrate ?? []).map(({ name, namespace, dstNodeClaimName, owner }) => ({
      name,
      namespace,
      dstNodeClaimName,
      ...(owner && { owner }),
    })),
  },
  ...(plan.status?.state && { status: { state: plan.status.state } }),
});

/** Indexes the owners whose pods running plans move; the answer takes constant time. */
export const indexMovedOwners = (plans: Pick<Cache<RebalancePlan>, 'onChange'>): IsOwnerMoved => {
  const counts = new Map<string, number>();
  const count = (plan: RebalancePlan, change: 1 | -1): void => {
    for (const uid of movedOwnersOf(plan)) {
      const pods = (counts.get(uid) ?? 0) + change;
      if (pods > 0) counts.set(uid, pods);
      else counts.delete(uid);
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
  return (uid) => counts.has(uid);
};
