import { SPOT_PERCENTAGE } from '../../../api/labels.ts';
import type { OwnerReference, Pod, ReplicaSet } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { lacksRight } from '../../../kube/errors.ts';
import { readWorkload, virtualPods } from '../../capacitybuffers/pods.ts';
import type { DueReplicas } from '../replicas.ts';

/** Replicas that autoscalers have asked for as pods of their workload's template, which nobody starts. */

/** More than one purchase counts, and of so many workloads. */
const MAX_PODS = 1_000;
const MAX_WORKLOADS = 200;
/** Below every pod that is there, and above headroom: where not all have room, replicas to come have none. */
const PRIORITY = -1_000_000_000;

type Owner = Pick<OwnerReference, 'apiVersion' | 'kind' | 'name' | 'uid'>;

/** The ReplicaSet of a Deployment that makes its next pods: the largest, of equal ones the newest. */
const growing = (replicaSets: readonly ReplicaSet[], deployment: string): ReplicaSet | undefined =>
  replicaSets
    .filter(({ metadata }) =>
      metadata.ownerReferences?.some(({ uid, controller }) => controller && uid === deployment),
    )
    .toSorted(
      (a, b) =>
        (b.spec?.replicas ?? 0) - (a.spec?.replicas ?? 0) ||
        Date.parse(b.metadata.creationTimestamp ?? '') - Date.parse(a.metadata.creationTimestamp ?? ''),
    )
    .at(0);

/** The pods of one workload's due replicas; none where its template or what makes its pods is not known. */
const podsOf = async (
  looking: { readonly client: Pick<KubeClient, 'get' | 'list'>; readonly signal: AbortSignal },
  { ref }: DueReplicas,
  count: number,
  replicaSets: readonly ReplicaSet[],
): Promise<readonly Pod[]> => {
  const workload = await readWorkload(looking, ref).catch((error: unknown) => {
    if (!lacksRight(error)) throw error;
    return undefined;
  });
  const template = workload?.spec?.template;
  if (!workload || !template) return [];
  const { kind, name, namespace } = ref;
  const { uid = '' } = workload.metadata;
  const set = kind === 'Deployment' ? growing(replicaSets, uid) : undefined;
  if (kind === 'Deployment' && !set) return [];
  const self: Owner = { apiVersion: 'apps/v1', kind, name, uid };
  const owner: Owner = set
    ? { ...self, kind: 'ReplicaSet', name: set.metadata.name, uid: set.metadata.uid ?? '' }
    : self;
  const share = valueAt(template.metadata?.annotations, SPOT_PERCENTAGE);
  const metadata = {
    // Two owners of one name have pods of their own.
    name: `${owner.name}:${owner.uid}:to-come`,
    namespace,
    uid: `${owner.uid}:to-come`,
    ownerReferences: [{ ...owner, controller: true }],
    ...(share !== undefined && { annotations: { [SPOT_PERCENTAGE]: share } }),
  };
  return virtualPods(metadata, { ...template, spec: { ...template.spec, priority: PRIORITY } }, count);
};

/** The pods that due replicas will be, as far as their workloads tell. */
export const comingPods = async (
  looking: { readonly client: Pick<KubeClient, 'get' | 'list'>; readonly signal: AbortSignal },
  replicas: readonly DueReplicas[],
  replicaSets: readonly ReplicaSet[],
): Promise<readonly Pod[]> => {
  const pods: Pod[] = [];
  for (const each of replicas.slice(0, MAX_WORKLOADS)) {
    const count = Math.min(each.due, MAX_PODS - pods.length);
    if (count > 0) pods.push(...(await podsOf(looking, each, count, replicaSets)));
  }
  return pods;
};
