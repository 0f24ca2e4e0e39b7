import { POD_TEMPLATE_HASH } from '../../../api/labels.ts';
import type { Pod, ReplicaSet } from '../../../api/objects.ts';
import { controllerOf, isPodReady, isSurgeWanted, isTerminating } from '../../../api/pods.ts';
import { DEPLOYMENTS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { isNotFound } from '../../../kube/errors.ts';
import type { Caches } from '../../caches.ts';
import { type Single, type Surged, type SurgeView, surgedOf } from '../drain/surge.ts';

type Read = Pick<Caches, 'pods' | 'replicaSets' | 'persistentVolumeClaims'>;

const replicaSetOf = (caches: Read, namespace: string, s: Surged['replicaSet']): ReplicaSet | undefined => {
  const found = caches.replicaSets.get(`${namespace}/${s.name}`);
  return found?.metadata.uid === s.uid ? found : undefined;
};

/** A volume that only one node may have at a time keeps the successor from starting. */
const canOverlap = (caches: Read, pod: Pod): boolean =>
  (pod.spec.volumes ?? []).every(({ persistentVolumeClaim: claim }) => {
    if (!claim) return true;
    const found = caches.persistentVolumeClaims.get(`${pod.metadata.namespace}/${claim.claimName}`);
    return found?.spec?.accessModes?.some((mode) => /Many$/.test(mode)) ?? false;
  });

/** The pod as the only one of its Deployment; undefined where it is not, or asks for nothing. */
const singleOf = async (
  o: { readonly client: KubeClient; readonly caches: Read; readonly byDefault: boolean },
  pod: Pod,
  signal: AbortSignal,
): Promise<Single | undefined> => {
  const { namespace = '', ownerReferences = [], labels } = pod.metadata;
  const owner = controllerOf(pod);
  if (owner?.kind !== 'ReplicaSet' || ownerReferences.length !== 1) return undefined;
  const replicaSet = replicaSetOf(o.caches, namespace, owner);
  const deployment = replicaSet?.metadata.ownerReferences?.find((r) => r.controller);
  if (!replicaSet || deployment?.kind !== 'Deployment' || replicaSet.spec?.replicas !== 1) return undefined;
  if (labels?.[POD_TEMPLATE_HASH] === undefined || !isSurgeWanted(pod, replicaSet, o.byDefault))
    return undefined;
  if (!canOverlap(o.caches, pod)) return undefined;
  try {
    const { spec } = await o.client.get(DEPLOYMENTS, { name: deployment.name, namespace }, { signal });
    // Recreate says that two of it must never run at once.
    if (spec?.strategy?.type === 'Recreate' || (spec?.replicas ?? 1) !== 1) return undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  return { deployment, replicaSet: { name: owner.name, uid: owner.uid } };
};

/** Looks at the pods of nodes that are being emptied; a Deployment is asked for only while its pod was not let go. */
export const viewSurge = async (
  o: { readonly client: KubeClient; readonly caches: Read; readonly byDefault: boolean },
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<SurgeView> => {
  const singles = new Map<string, Single>();
  const succeeded = new Set<string>();
  const forsaken = new Set<string>();
  for (const pod of pods) {
    const uid = pod.metadata.uid ?? '';
    if (isTerminating(pod)) continue;
    const surged = surgedOf(pod);
    if (!surged) {
      const single = await singleOf(o, pod, signal);
      if (single) singles.set(uid, single);
      continue;
    }
    const replicaSet = replicaSetOf(o.caches, pod.metadata.namespace ?? '', surged.replicaSet);
    const successors = o.caches.pods
      .by('owner', surged.replicaSet.uid)
      .filter((p) => p.metadata.uid !== uid && !isTerminating(p) && isPodReady(p));
    if (!replicaSet) forsaken.add(uid);
    if (!replicaSet || replicaSet.spec?.replicas === 0 || successors.length > 0) succeeded.add(uid);
  }
  return { singles, succeeded, forsaken };
};
