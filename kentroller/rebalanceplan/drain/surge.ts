import { isDeepStrictEqual } from 'node:util';
import { POD_TEMPLATE_HASH } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { isTerminating, podName } from '../../../api/pods.ts';
import type { ExecutionState } from '../state/state.ts';
import type { Step } from '../state/step.ts';
import { detachmentOf, recordedSurge, type SurgeRecord } from '../state/surgerecord.ts';

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
  if (detachmentOf(plan, pod)) return surge.succeeded.has(uid) ? undefined : [];
  const sole = surge.soleReplicas.get(uid);
  const hash = pod.metadata.labels?.[POD_TEMPLATE_HASH];
  if (!sole || hash === undefined) return undefined;
  const { apiVersion, kind, name, uid: ownerUid } = sole.deployment;
  const record = { hash, replicaSet: sole.replicaSet };
  const known = recordedSurge(plan, pod);
  // First the plan's status: it is what the plan believes later, whatever the pod says.
  if (!known || !isDeepStrictEqual({ hash: known.hash, replicaSet: known.replicaSet }, record)) {
    const { resourceVersion: _, ...target } = refOf(pod);
    const message = `Recording that pod ${podName(pod)} is detached from ReplicaSet ${sole.replicaSet.name}`;
    return [{ kind: 'record-surge', pod: { ...target, ...record }, reason: 'ReplicaSurgeRecorded', message }];
  }
  return [
    {
      kind: 'surge',
      ...refOf(pod),
      record: { plan: plan.metadata.name, ...record },
      // A plain owner reference: the pod is still deleted together with its Deployment.
      owner: { apiVersion, kind, name, uid: ownerUid },
      reason: 'ReplicaSurged',
      message: `Pod ${podName(pod)} is the only one of Deployment ${name}: it stays until its successor is ready`,
    },
  ];
};

/** Reattaches those of the pods that this plan detached: the ReplicaSet adopts each and removes one pod too many. */
export const reattachSteps = (
  { plan, surge }: Pick<ExecutionState, 'plan' | 'surge'>,
  pods: readonly Pod[] = surge.detached,
): readonly GiveBackStep[] =>
  pods.flatMap((pod): GiveBackStep[] => {
    const record = detachmentOf(plan, pod);
    return record && !isTerminating(pod) ? [giveBackStep(pod, record, surge.orphaned)] : [];
  });

/** The step that gives a detached pod back to its ReplicaSet, or deletes it where that is gone. */
export const giveBackStep = (
  pod: Pod,
  { hash, replicaSet }: Omit<SurgeRecord, 'plan'>,
  orphaned: ReadonlySet<string>,
): GiveBackStep => {
  const { resourceVersion, ...target } = refOf(pod);
  if (orphaned.has(target.uid)) {
    const message = `Deleting pod ${podName(pod)}: the ReplicaSet that it was detached from is gone`;
    return { kind: 'delete-pod', ...target, forsakenBy: replicaSet, reason: 'ReplicaForsaken', message };
  }
  const message = `Reattaching pod ${podName(pod)} to ReplicaSet ${replicaSet.name}`;
  return { kind: 'reattach', ...target, resourceVersion, hash, reason: 'ReplicaGivenBack', message };
};
