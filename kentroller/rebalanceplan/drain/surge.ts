import { z } from 'zod';
import { POD_TEMPLATE_HASH, SURGED } from '../../../api/labels.ts';
import type { OwnerReference, Pod } from '../../../api/objects.ts';
import { isTerminating } from '../../../api/pods.ts';
import type { World } from '../state/state.ts';
import type { Step } from '../state/step.ts';

/**
 * A Deployment of one pod, moved without a gap: its pod is let go by its ReplicaSet, which thereby makes another one,
 * and is evicted when that one is ready. The number of replicas is never written.
 */

const surged = z.object({
  plan: z.string(),
  hash: z.string(),
  replicaSet: z.object({ name: z.string(), uid: z.string() }),
});

/** What a pod that was let go carries, so that any later process can give it back. */
export type Surged = z.output<typeof surged>;

/** A pod that is the only one of a Deployment which wants a successor first. */
export interface Single {
  readonly deployment: OwnerReference;
  readonly replicaSet: { readonly name: string; readonly uid: string };
}

/** What is known about the pods of nodes that go, by their uid. */
export interface SurgeView {
  readonly singles: ReadonlyMap<string, Single>;
  /** Pods that were let go and that nobody waits for any more: the successor is ready, or none is wanted. */
  readonly succeeded: ReadonlySet<string>;
  /** Pods that were let go by a ReplicaSet which is gone: nobody would take them back. */
  readonly forsaken: ReadonlySet<string>;
}

export const surgedOf = (pod: Pod): Surged | undefined => {
  const text = pod.metadata.annotations?.[SURGED];
  if (text === undefined) return undefined;
  try {
    return surged.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};

const ref = (pod: Pod): { name: string; namespace: string; uid: string; resourceVersion: string } => ({
  name: pod.metadata.name,
  namespace: pod.metadata.namespace ?? '',
  uid: pod.metadata.uid ?? '',
  resourceVersion: pod.metadata.resourceVersion ?? '',
});

/** What comes before the eviction of a pod: steps, none while its successor is waited for, undefined when nothing does. */
export const surge = (world: World, pod: Pod): readonly Step[] | undefined => {
  const uid = pod.metadata.uid ?? '';
  if (surgedOf(pod)) return world.surge.succeeded.has(uid) ? undefined : [];
  const single = world.surge.singles.get(uid);
  const hash = pod.metadata.labels?.[POD_TEMPLATE_HASH];
  if (!single || hash === undefined) return undefined;
  const { apiVersion, kind, name, uid: owner } = single.deployment;
  return [
    {
      kind: 'surge',
      ...ref(pod),
      record: { plan: world.plan.metadata.name, hash, replicaSet: single.replicaSet },
      // Who deletes the Deployment means this pod as well.
      owner: { apiVersion, kind, name, uid: owner },
      reason: 'ReplicaSurged',
      message: `Pod ${pod.metadata.namespace}/${pod.metadata.name} is the only one of Deployment ${name}: it stays until its successor is ready`,
    },
  ];
};

/** Gives back what a failed plan let go: the ReplicaSet takes the pod again and removes the one too many. */
export const unsurges = (world: World): readonly Step[] =>
  (world.plan.spec.nodeClaimsToDelete ?? [])
    .flatMap(({ nodeClaimName }) => world.pods.get(nodeClaimName) ?? [])
    .flatMap((pod): Step[] => {
      const record = surgedOf(pod);
      if (record?.plan !== world.plan.metadata.name || isTerminating(pod)) return [];
      const { resourceVersion, ...target } = ref(pod);
      const name = `${target.namespace}/${target.name}`;
      if (world.surge.forsaken.has(target.uid)) {
        const message = `Deleting pod ${name}: the ReplicaSet that let it go is gone`;
        return [{ kind: 'delete-pod', ...target, reason: 'ReplicaForsaken', message }];
      }
      const message = `Pod ${name} is given back to ReplicaSet ${record.replicaSet.name}`;
      const { hash } = record;
      return [{ kind: 'unsurge', ...target, resourceVersion, hash, reason: 'ReplicaGivenBack', message }];
    });
