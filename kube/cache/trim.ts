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
import { valueAt } from '../../api/records/valueat.ts';
import type { Resource } from '../../api/resources.ts';
import type { Interner } from './intern.ts';
import { type Mutable, trimMeta } from './trimmeta.ts';
import { trimPod, trimPodSpec } from './trimpod.ts';

/** Reduces an object to the fields that are read. */
export type Trim<T> = (raw: T, interner: Interner) => T;

export const trimNode: Trim<Node> = (raw, interner) => {
  const { spec, status } = raw;
  const conditions = status?.conditions?.map((c) =>
    interner.value({
      type: c.type,
      status: c.status,
      ...(c.reason ? { reason: c.reason } : {}),
      ...(c.lastTransitionTime ? { lastTransitionTime: c.lastTransitionTime } : {}),
    }),
  );
  return {
    metadata: trimMeta(raw.metadata, interner),
    spec: {
      ...(spec?.providerID ? { providerID: spec.providerID } : {}),
      ...(spec?.unschedulable ? { unschedulable: true } : {}),
      ...(spec?.taints ? { taints: interner.value(spec.taints) } : {}),
    },
    status: {
      ...(status?.capacity ? { capacity: interner.value(status.capacity) } : {}),
      ...(status?.allocatable ? { allocatable: interner.value(status.allocatable) } : {}),
      ...(conditions ? { conditions } : {}),
      ...(status?.addresses ? { addresses: status.addresses } : {}),
      ...(status?.nodeInfo?.kubeletVersion
        ? { nodeInfo: interner.value({ kubeletVersion: status.nodeInfo.kubeletVersion }) }
        : {}),
    },
  };
};

const trimReplicaSet: Trim<ReplicaSet> = (raw, interner) => ({
  metadata: trimMeta(raw.metadata, interner),
  spec: {
    ...(raw.spec?.replicas === undefined ? {} : { replicas: raw.spec.replicas }),
    ...(raw.spec?.selector ? { selector: interner.value(raw.spec.selector) } : {}),
  },
  status: {
    ...(raw.status?.replicas === undefined ? {} : { replicas: raw.status.replicas }),
    ...(raw.status?.readyReplicas === undefined ? {} : { readyReplicas: raw.status.readyReplicas }),
  },
});

const trimDaemonSet: Trim<DaemonSet> = (raw, interner) => ({
  metadata: trimMeta(raw.metadata, interner),
  spec: {
    ...(raw.spec.selector ? { selector: raw.spec.selector } : {}),
    template: {
      metadata: {
        ...(raw.spec.template.metadata?.labels ? { labels: raw.spec.template.metadata.labels } : {}),
        ...(raw.spec.template.metadata?.annotations
          ? { annotations: raw.spec.template.metadata.annotations }
          : {}),
      },
      spec: trimPodSpec(raw.spec.template.spec, interner),
    },
  },
});

const trimBudget: Trim<PodDisruptionBudget> = (raw, interner) => ({
  metadata: trimMeta(raw.metadata, interner),
  ...(raw.spec ? { spec: raw.spec } : {}),
  ...(raw.status ? { status: raw.status } : {}),
});

/** The object without the fields that only the API server and kubectl read. */
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

/** The default trim of a kind. */
export const trimOf = <T extends KubeObject>(resource: Resource<T>): Trim<T> => {
  const known: Readonly<Record<string, unknown>> = {
    '/Pod': trimPod,
    '/Node': trimNode,
    'apps/ReplicaSet': trimReplicaSet,
    'apps/DaemonSet': trimDaemonSet,
    'policy/PodDisruptionBudget': trimBudget,
  };
  return (valueAt(known, `${resource.group}/${resource.kind}`) ?? trimOther) as Trim<T>;
};

/**
 * Common indexes of a pod cache: node, UID of the controlling owner, namespace, pod group; `pin` has the pods that wait
 * for the node of a pin, by its id.
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
