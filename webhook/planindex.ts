import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import { isRunning } from '../api/plans.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { IsMoved } from './eligibility.ts';

const ownersOf = (plan: RebalancePlan): readonly string[] =>
  isRunning(plan) ? (plan.spec.podsToMigrate ?? []).flatMap(({ owner }) => (owner ? [owner.uid] : [])) : [];

/** Cuts a plan down to what the webhook reads of it: plans of thousands of pods are large. */
export const trimPlan = (plan: RebalancePlan): RebalancePlan => ({
  metadata: plan.metadata,
  spec: {
    execute: plan.spec.execute,
    podsToMigrate: (plan.spec.podsToMigrate ?? []).map(({ name, namespace, dstNodeClaimName, owner }) => ({
      name,
      namespace,
      dstNodeClaimName,
      ...(owner ? { owner } : {}),
    })),
  },
  ...(plan.status?.state ? { status: { state: plan.status.state } } : {}),
});

/** Answers in constant time whether a plan that runs moves pods of an owner. */
export const runningOwners = (plans: Cache<RebalancePlan>): IsMoved => {
  const counts = new Map<string, number>();
  const add = (plan: RebalancePlan, sign: 1 | -1): void => {
    for (const uid of ownersOf(plan)) {
      const count = (counts.get(uid) ?? 0) + sign;
      if (count > 0) counts.set(uid, count);
      else counts.delete(uid);
    }
  };
  plans.onChange((change) => {
    if (change.type === 'add') add(change.object, 1);
    else if (change.type === 'delete') add(change.object, -1);
    else {
      add(change.old, -1);
      add(change.object, 1);
    }
  });
  return (uid) => counts.has(uid);
};
