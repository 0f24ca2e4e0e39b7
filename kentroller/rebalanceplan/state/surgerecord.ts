import { recordedSurge, surgeRecordOf } from '../../../api/identity/surgerecord.ts';
import type { DetachedPod, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { OwnerReference, Pod } from '../../../api/objects.ts';

export { recordedSurge, type SurgeRecord, surgeRecordOf } from '../../../api/identity/surgerecord.ts';

/** How the plan detached a pod; undefined where it did not, whatever the pod says. */
export const detachmentOf = (
  plan: Pick<RebalancePlan, 'metadata' | 'status'>,
  pod: Pod,
): DetachedPod | undefined =>
  surgeRecordOf(pod)?.plan === plan.metadata.name ? recordedSurge(plan, pod) : undefined;

/** A pod that is the only one of a Deployment and gets a successor before it is evicted. */
export interface SoleReplica {
  readonly deployment: OwnerReference;
  readonly replicaSet: { readonly name: string; readonly uid: string };
}

/** Surge facts about the pods that a plan evicts; sets and keys are pod UIDs. */
export interface SurgeState {
  readonly soleReplicas: ReadonlyMap<string, SoleReplica>;
  /** Pods that this plan detached, on any node; terminating ones are left out. */
  readonly detached: readonly Pod[];
  /** Detached pods whose successor is ready, or whose ReplicaSet wants none. */
  readonly succeeded: ReadonlySet<string>;
  /** Detached pods whose ReplicaSet was deleted: no controller can adopt them. */
  readonly orphaned: ReadonlySet<string>;
}

/** Index of pods by the name of the plan that detached them, as they say. */
export const DETACHED_BY = 'detachedBy';

export const detachedBy = (pod: Pod): readonly string[] => {
  const record = surgeRecordOf(pod);
  return record ? [record.plan] : [];
};
