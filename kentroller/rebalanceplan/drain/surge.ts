import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { POD_TEMPLATE_HASH } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { isTerminating, podName } from '../../../api/pods.ts';
import type { ExecutionState } from '../state/state.ts';
import type { Step } from '../state/step.ts';
import { surgeRecordOf } from '../state/surgerecord.ts';

/**
 * Surge: a Deployment's only pod is detached from its ReplicaSet, which creates a successor, and evicted when the
 * successor is ready. See docs/designs/0006-surge.md.
 */

type GiveBackStep = Step & { readonly kind: 'reattach' | 'delete-pod' };

const refOf = (pod: Pod): { name: string; namespace: string; uid: string; resourceVersion: string } => ({
  name: pod.metadata.name,
  namespace: pod.metadata.namespace ?? '',
  uid: pod.metadata.uid ?? '',
  resourceVersion: pod.metadata.resourceVersion ?? '',
});

/** The steps before a pod's eviction: empty while its successor is not ready, undefined when it may be evicted. */
export const surgeSteps = (
  { plan, surge }: Pick<ExecutionState, 'plan' | 'surge'>,
  pod: Pod,
): readonly Step[] | undefined => {
  const uid = pod.metadata.uid ?? '';
  if (surgeRecordOf(pod)) return surge.succeeded.has(uid) ? undefined : [];
  const sole = surge.soleReplicas.get(uid);
  const hash = pod.metadata.labels?.[POD_TEMPLATE_HASH];
  if (!sole || hash === undefined) return undefined;
  const { apiVersion, kind, name, uid: ownerUid } = sole.deployment;
  return [
    {
      kind: 'surge',
      ...refOf(pod),
      record: { plan: plan.metadata.name, hash, replicaSet: sole.replicaSet },
      // A plain owner reference: the pod is still deleted together with its Deployment.
      owner: { apiVersion, kind, name, uid: ownerUid },
      reason: 'ReplicaSurged',
      message: `Pod ${podName(pod)} is the only one of Deployment ${name}: it stays until its successor is ready`,
    },
  ];
};

/** Reattaches those of the pods that this plan detached: the ReplicaSet adopts each and removes one pod too many. */
export const reattachSteps = (
  { plan, surge }: { readonly plan: Pick<RebalancePlan, 'metadata'> } & Pick<ExecutionState, 'surge'>,
  pods: readonly Pod[] = surge.detached,
): readonly GiveBackStep[] =>
  pods.flatMap((pod): GiveBackStep[] => {
    const record = surgeRecordOf(pod);
    if (record?.plan !== plan.metadata.name || isTerminating(pod)) return [];
    const { resourceVersion, ...target } = refOf(pod);
    if (surge.orphaned.has(target.uid)) {
      const message = `Deleting pod ${podName(pod)}: the ReplicaSet that it was detached from is gone`;
      return [{ kind: 'delete-pod', ...target, isForsaken: true, reason: 'ReplicaForsaken', message }];
    }
    const message = `Reattaching pod ${podName(pod)} to ReplicaSet ${record.replicaSet.name}`;
    const { hash } = record;
    return [{ kind: 'reattach', ...target, resourceVersion, hash, reason: 'ReplicaGivenBack', message }];
  });
