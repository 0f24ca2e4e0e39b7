import { POD_TEMPLATE_HASH } from '../../../api/labels.ts';
import type { KubeObject, Pod } from '../../../api/objects.ts';
import { controllerOf, hasEnded, isLive, isPodReady } from '../../../api/pods.ts';
import { PODS, REPLICA_SETS, type Resource } from '../../../api/resources.ts';
import { typed } from '../../../kube/testing/memory/api.ts';
import { countBudgets } from '../../../kube/testing/memory/eviction.ts';
import type { Cluster } from './cluster.ts';

/** Controllers that make pods again: ReplicaSets and StatefulSets, and the one of PodDisruptionBudgets. */

export interface StatefulSet extends KubeObject {
  readonly spec: { readonly replicas: number; readonly cpu: string };
}
export const STATEFUL_SETS: Resource<StatefulSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  namespaced: true,
};

/** A ReplicaSet with its pods' milli-CPU, which the API has in the template. */
export interface Replicas extends KubeObject {
  readonly spec?: { readonly replicas?: number; readonly cpu?: string };
}

const podOf = (owner: KubeObject, name: string, cpu: string): Pod => {
  const { namespace = '', uid = '', labels = {} } = owner.metadata;
  return typed(PODS, {
    metadata: {
      namespace,
      ...(name ? { name } : { name: '', generateName: `${owner.metadata.name}-` }),
      labels,
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: owner.kind ?? '', name: owner.metadata.name, uid, controller: true },
      ],
    },
    spec: {
      containers: [{ name: 'main', resources: { requests: { cpu } } }],
      terminationGracePeriodSeconds: 5,
    },
  });
};

/** The order in which a ReplicaSet removes pods: those without a node first, then those that are not ready. */
const isLessWorth = (a: Pod, b: Pod): number =>
  Number(a.spec.nodeName !== undefined) - Number(b.spec.nodeName !== undefined) ||
  Number(isPodReady(a)) - Number(isPodReady(b));

const adoptOrphans = (cluster: Cluster, set: Replicas): void => {
  const { namespace, uid = '', labels = {}, name } = set.metadata;
  const hash = labels[POD_TEMPLATE_HASH];
  for (const pod of cluster.api.pods()) {
    const { metadata } = pod;
    if (
      metadata.namespace !== namespace ||
      metadata.labels?.[POD_TEMPLATE_HASH] !== hash ||
      hash === undefined
    )
      continue;
    if (metadata.ownerReferences?.length || metadata.labels?.app !== labels.app || !isLive(pod)) continue;
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true }];
    cluster.editPod(pod, (p) => ({ ...p, metadata: { ...p.metadata, ownerReferences } }));
  }
};

const scale = (cluster: Cluster, set: Replicas): void => {
  adoptOrphans(cluster, set);
  const { uid, name } = set.metadata;
  const live = cluster.api.pods().filter((pod) => controllerOf(pod)?.uid === uid && isLive(pod));
  const missing = (set.spec?.replicas ?? 0) - live.length;
  for (let n = 0; n < missing; n++) {
    const pod = cluster.api.create(PODS, podOf(set, '', set.spec?.cpu ?? '500m'));
    cluster.tell(
      `ReplicaSet ${name} creates pod ${pod.metadata.name}${pod.spec.nodeName ? `, which the webhook puts on ${pod.spec.nodeName}` : ''}`,
    );
  }
  for (const pod of live.sort(isLessWorth).slice(0, Math.max(0, -missing))) {
    cluster.api.delete(PODS, pod.metadata as { name: string; namespace: string });
    cluster.tell(`ReplicaSet ${name} deletes pod ${pod.metadata.name}: it has one too many`);
  }
};

const scaleStateful = (cluster: Cluster, set: StatefulSet): void => {
  const { name, namespace = '' } = set.metadata;
  for (let n = 0; n < set.spec.replicas; n++) {
    const ref = { name: `${name}-${n}`, namespace };
    const pod = cluster.api.find(PODS, ref);
    if (pod && hasEnded(pod)) cluster.api.store.remove(PODS, pod);
    if (!pod) {
      cluster.api.create(PODS, podOf(set, ref.name, set.spec.cpu));
      cluster.tell(`StatefulSet ${name} creates pod ${ref.name}`);
    }
  }
  for (let n = set.spec.replicas; ; n++) {
    const pod = cluster.api.find(PODS, { name: `${name}-${n}`, namespace });
    if (!pod) return;
    if (isLive(pod)) cluster.api.delete(PODS, { name: `${name}-${n}`, namespace });
  }
};

export const owners = (cluster: Cluster): void => {
  for (const set of cluster.api.list(REPLICA_SETS as Resource<Replicas>)) scale(cluster, set);
  for (const set of cluster.api.list(STATEFUL_SETS)) scaleStateful(cluster, set);
  countBudgets(cluster.api);
};
