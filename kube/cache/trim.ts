import { PIN } from '../../api/labels.ts';
import type {
  DaemonSet,
  KubeObject,
  Node,
  ObjectMeta,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
} from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';
import type { Share } from './intern.ts';
import { type Mutable, trimMeta } from './trimmeta.ts';
import { trimPod, trimPodSpec } from './trimpod.ts';

/** Cuts an object down to the fields that someone reads. */
export type Trim<T> = (raw: T, share: Share) => T;

export const trimNode: Trim<Node> = (raw, share) => {
  const { spec, status } = raw;
  const conditions = status?.conditions?.map((c) =>
    share.value({
      type: c.type,
      status: c.status,
      ...(c.reason ? { reason: c.reason } : {}),
      ...(c.lastTransitionTime ? { lastTransitionTime: c.lastTransitionTime } : {}),
    }),
  );
  return {
    metadata: trimMeta(raw.metadata, share),
    spec: {
      ...(spec?.providerID ? { providerID: spec.providerID } : {}),
      ...(spec?.unschedulable ? { unschedulable: true } : {}),
      ...(spec?.taints ? { taints: share.value(spec.taints) } : {}),
    },
    status: {
      ...(status?.capacity ? { capacity: share.value(status.capacity) } : {}),
      ...(status?.allocatable ? { allocatable: share.value(status.allocatable) } : {}),
      ...(conditions ? { conditions } : {}),
      ...(status?.addresses ? { addresses: status.addresses } : {}),
      ...(status?.nodeInfo?.kubeletVersion
        ? { nodeInfo: share.value({ kubeletVersion: status.nodeInfo.kubeletVersion }) }
        : {}),
    },
  };
};

const trimReplicaSet: Trim<ReplicaSet> = (raw, share) => ({
  metadata: trimMeta(raw.metadata, share),
  spec: {
    ...(raw.spec?.replicas === undefined ? {} : { replicas: raw.spec.replicas }),
    ...(raw.spec?.selector ? { selector: share.value(raw.spec.selector) } : {}),
  },
  status: {
    ...(raw.status?.replicas === undefined ? {} : { replicas: raw.status.replicas }),
    ...(raw.status?.readyReplicas === undefined ? {} : { readyReplicas: raw.status.readyReplicas }),
  },
});

const trimDaemonSet: Trim<DaemonSet> = (raw, share) => ({
  metadata: trimMeta(raw.metadata, share),
  spec: {
    ...(raw.spec.selector ? { selector: raw.spec.selector } : {}),
    template: {
      metadata: {
        ...(raw.spec.template.metadata?.labels ? { labels: raw.spec.template.metadata.labels } : {}),
        ...(raw.spec.template.metadata?.annotations
          ? { annotations: raw.spec.template.metadata.annotations }
          : {}),
      },
      spec: trimPodSpec(raw.spec.template.spec, share),
    },
  },
});

const trimBudget: Trim<PodDisruptionBudget> = (raw, share) => ({
  metadata: trimMeta(raw.metadata, share),
  ...(raw.spec ? { spec: raw.spec } : {}),
  ...(raw.status ? { status: raw.status } : {}),
});

/** Everything but what only the API server and kubectl read. */
export const trimOther: Trim<KubeObject> = (raw) => {
  const meta = raw.metadata as Mutable<ObjectMeta> & { managedFields?: unknown };
  delete meta.managedFields;
  const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';
  if (meta.annotations?.[lastApplied]) {
    const { [lastApplied]: _, ...rest } = meta.annotations;
    meta.annotations = rest;
  }
  return raw;
};

/** How objects of a kind are cut down when its cache is told nothing else. */
export const trimOf = <T extends KubeObject>(resource: Resource<T>): Trim<T> => {
  const known: Readonly<Record<string, unknown>> = {
    '/Pod': trimPod,
    '/Node': trimNode,
    'apps/ReplicaSet': trimReplicaSet,
    'apps/DaemonSet': trimDaemonSet,
    'policy/PodDisruptionBudget': trimBudget,
  };
  return (known[`${resource.group}/${resource.kind}`] ?? trimOther) as Trim<T>;
};

/**
 * Indexes that most callers of a pod cache want: by node, by the controlling owner's UID, by namespace; `pin` has the
 * pods that wait for a node which a pin, by its id, has for them.
 */
export const POD_INDEXES: Readonly<Record<string, (pod: Pod) => readonly string[]>> = {
  node: (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []),
  owner: (pod) => pod.metadata.ownerReferences?.flatMap((o) => (o.controller ? [o.uid] : [])) ?? [],
  namespace: (pod) => [pod.metadata.namespace ?? ''],
  pin: (pod) => {
    const pin = pod.spec.nodeName ? undefined : pod.metadata.annotations?.[PIN];
    return pin ? [pin] : [];
  },
  group: ({ metadata, spec: { schedulingGroup } }) =>
    schedulingGroup?.podGroupName ? [`${metadata.namespace ?? ''}/${schedulingGroup.podGroupName}`] : [],
};
