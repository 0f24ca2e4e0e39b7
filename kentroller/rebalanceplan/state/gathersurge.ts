import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { POD_TEMPLATE_HASH } from '../../../api/labels.ts';
import type { Pod, ReplicaSet } from '../../../api/objects.ts';
import { controllerOf, isPodReady, isSurgeWanted, isTerminating } from '../../../api/pods.ts';
import { DEPLOYMENTS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { getOrUndefined } from '../../../kube/ignore.ts';
import type { Caches } from '../../caches.ts';
import {
  DETACHED_BY,
  detachmentOf,
  type SoleReplica,
  type SurgeRecord,
  type SurgeState,
} from './surgerecord.ts';

type SurgeCaches = Pick<Caches, 'pods' | 'replicaSets' | 'persistentVolumeClaims'>;

export interface SurgeSources {
  readonly client: KubeClient;
  readonly caches: SurgeCaches;
  /** Whether a Deployment without the surge annotation gets it. */
  readonly byDefault: boolean;
}

const replicaSetOf = (
  caches: SurgeCaches,
  namespace: string,
  ref: SurgeRecord['replicaSet'],
): ReplicaSet | undefined => {
  const found = caches.replicaSets.get(`${namespace}/${ref.name}`);
  return found?.metadata.uid === ref.uid ? found : undefined;
};

/** False where a volume that only one node may attach at a time would keep the successor from starting. */
const canOverlap = (caches: SurgeCaches, pod: Pod): boolean =>
  (pod.spec.volumes ?? []).every(({ persistentVolumeClaim: claim }) => {
    if (!claim) return true;
    const found = caches.persistentVolumeClaims.get(`${pod.metadata.namespace}/${claim.claimName}`);
    return found?.spec?.accessModes?.some((mode) => /Many$/.test(mode)) ?? false;
  });

/** The pod as the only one of its Deployment; undefined where it is not, or where no surge is wanted. */
const soleReplicaOf = async (
  o: SurgeSources,
  pod: Pod,
  signal: AbortSignal,
): Promise<SoleReplica | undefined> => {
  const { namespace = '', ownerReferences = [], labels } = pod.metadata;
  const owner = controllerOf(pod);
  if (owner?.kind !== 'ReplicaSet' || ownerReferences.length !== 1) return undefined;
  const replicaSet = replicaSetOf(o.caches, namespace, owner);
  const deployment = replicaSet?.metadata.ownerReferences?.find((r) => r.controller);
  if (!replicaSet || deployment?.kind !== 'Deployment' || replicaSet.spec?.replicas !== 1) return undefined;
  if (labels?.[POD_TEMPLATE_HASH] === undefined || !isSurgeWanted(pod, replicaSet, o.byDefault))
    return undefined;
  if (!canOverlap(o.caches, pod)) return undefined;
  const request = o.client.get(DEPLOYMENTS, { name: deployment.name, namespace }, { signal });
  const found = await getOrUndefined(request);
  // strategy Recreate: two of its pods must never run at once.
  if (!found || found.spec?.strategy?.type === 'Recreate' || (found.spec?.replicas ?? 1) !== 1)
    return undefined;
  return { deployment, replicaSet: { name: owner.name, uid: owner.uid } };
};

/**
 * Reads the surge facts of the pods that a plan evicts next, and of every pod that it has detached, wherever that one
 * runs. A Deployment is read from the API server, and only while its pod is not detached.
 */
export const gatherSurge = async (
  o: SurgeSources,
  plan: RebalancePlan,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<SurgeState> => {
  const detached = o.caches.pods
    .by(DETACHED_BY, plan.metadata.name)
    .filter((pod) => !isTerminating(pod) && detachmentOf(plan, pod));
  const soleReplicas = new Map<string, SoleReplica>();
  const succeeded = new Set<string>();
  const orphaned = new Set<string>();
  for (const [uid, pod] of new Map([...pods, ...detached].map((each) => [each.metadata.uid ?? '', each]))) {
    if (isTerminating(pod)) continue;
    const record = detachmentOf(plan, pod);
    if (!record) {
      const sole = await soleReplicaOf(o, pod, signal);
      if (sole) soleReplicas.set(uid, sole);
      continue;
    }
    const replicaSet = replicaSetOf(o.caches, pod.metadata.namespace ?? '', record.replicaSet);
    const successors = o.caches.pods
      .by('owner', record.replicaSet.uid)
      .filter((p) => p.metadata.uid !== uid && !isTerminating(p) && isPodReady(p));
    if (!replicaSet) orphaned.add(uid);
    if (!replicaSet || replicaSet.spec?.replicas === 0 || successors.length > 0) succeeded.add(uid);
  }
  return { soleReplicas, detached, succeeded, orphaned };
};
