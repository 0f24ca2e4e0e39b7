import type { AutoscalerPolicy } from './kinds/autoscalerpolicy.ts';
import type { EvictorConfig } from './kinds/evictorconfig.ts';
import type { RebalanceMigrationPlan } from './kinds/rebalancemigrationplan.ts';
import type { RebalancePlan } from './kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from './kinds/rebalanceplanclaim.ts';
import type { RebalancePlanSchedule } from './kinds/rebalanceplanschedule.ts';
import type { UnavailableOffering } from './kinds/unavailableoffering.ts';
import type * as o from './objects.ts';

/** One kind of the API server with the parts of its path. */
export interface Resource<T extends o.KubeObject = o.KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Never set; carries the object's type. */
  readonly object?: T;
}

const core = <T extends o.KubeObject>(kind: string, plural: string, namespaced: boolean): Resource<T> => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced,
});

const grouped = <T extends o.KubeObject>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced: boolean,
): Resource<T> => ({ group, version, kind, plural, namespaced });

const ours = <T extends o.KubeObject>(kind: string, plural: string): Resource<T> =>
  grouped<T>('autoscaling.cast.ai', 'v1alpha', kind, plural, false);

export const PODS = core<o.Pod>('Pod', 'pods', true);
export const NODES = core<o.Node>('Node', 'nodes', false);
export const NAMESPACES = core<o.Namespace>('Namespace', 'namespaces', false);
export const LIMIT_RANGES = core<o.LimitRange>('LimitRange', 'limitranges', true);
export const RESOURCE_QUOTAS = core<o.ResourceQuota>('ResourceQuota', 'resourcequotas', true);
export const CONFIG_MAPS = core<o.ConfigMap>('ConfigMap', 'configmaps', true);
export const SECRETS = core<o.Secret>('Secret', 'secrets', true);
export const EVENTS = core<o.KubeEvent>('Event', 'events', true);
export const PERSISTENT_VOLUME_CLAIMS = core<o.PersistentVolumeClaim>(
  'PersistentVolumeClaim',
  'persistentvolumeclaims',
  true,
);
export const PERSISTENT_VOLUMES = core<o.PersistentVolume>('PersistentVolume', 'persistentvolumes', false);
export const DAEMON_SETS = grouped<o.DaemonSet>('apps', 'v1', 'DaemonSet', 'daemonsets', true);
export const REPLICA_SETS = grouped<o.ReplicaSet>('apps', 'v1', 'ReplicaSet', 'replicasets', true);
export const DEPLOYMENTS = grouped<o.Deployment>('apps', 'v1', 'Deployment', 'deployments', true);
export const POD_DISRUPTION_BUDGETS = grouped<o.PodDisruptionBudget>(
  'policy',
  'v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
  true,
);
/** Controllers that a scale subresource resizes, by kind. */
export const WORKLOADS: Readonly<Record<string, Resource<o.Workload>>> = {
  Deployment: grouped('apps', 'v1', 'Deployment', 'deployments', true),
  ReplicaSet: grouped('apps', 'v1', 'ReplicaSet', 'replicasets', true),
  StatefulSet: grouped('apps', 'v1', 'StatefulSet', 'statefulsets', true),
};
export const POD_TEMPLATES = core<o.PodTemplate>('PodTemplate', 'podtemplates', true);
export const EVICTION_REQUESTS = grouped<o.EvictionRequest>(
  'lifecycle.k8s.io',
  'v1alpha1',
  'EvictionRequest',
  'evictionrequests',
  true,
);
export const CAPACITY_BUFFERS = grouped<o.CapacityBuffer>(
  'autoscaling.x-k8s.io',
  'v1beta1',
  'CapacityBuffer',
  'capacitybuffers',
  true,
);
export const HORIZONTAL_POD_AUTOSCALERS = grouped<o.HorizontalPodAutoscaler>(
  'autoscaling',
  'v2',
  'HorizontalPodAutoscaler',
  'horizontalpodautoscalers',
  true,
);
export const LEASES = grouped<o.Lease>('coordination.k8s.io', 'v1', 'Lease', 'leases', true);
export const STORAGE_CLASSES = grouped<o.StorageClass>(
  'storage.k8s.io',
  'v1',
  'StorageClass',
  'storageclasses',
  false,
);
export const CSI_NODES = grouped<o.CSINode>('storage.k8s.io', 'v1', 'CSINode', 'csinodes', false);
export const DEVICE_CLASSES = grouped<o.DeviceClass>(
  'resource.k8s.io',
  'v1',
  'DeviceClass',
  'deviceclasses',
  false,
);
export const MUTATING_WEBHOOK_CONFIGURATIONS = grouped<o.MutatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'MutatingWebhookConfiguration',
  'mutatingwebhookconfigurations',
  false,
);
export const SERVICE_ACCOUNTS = core<o.KubeObject>('ServiceAccount', 'serviceaccounts', true);
export const CLUSTER_ROLES = grouped<o.KubeObject>(
  'rbac.authorization.k8s.io',
  'v1',
  'ClusterRole',
  'clusterroles',
  false,
);
export const CLUSTER_ROLE_BINDINGS = grouped<o.KubeObject>(
  'rbac.authorization.k8s.io',
  'v1',
  'ClusterRoleBinding',
  'clusterrolebindings',
  false,
);
export const NODE_CLAIMS = grouped<o.NodeClaim>('karpenter.sh', 'v1', 'NodeClaim', 'nodeclaims', false);
export const NODE_POOLS = grouped<o.NodePool>('karpenter.sh', 'v1', 'NodePool', 'nodepools', false);
export const NODE_OVERLAYS = grouped<o.NodeOverlay>(
  'karpenter.sh',
  'v1alpha1',
  'NodeOverlay',
  'nodeoverlays',
  false,
);
const nodeClass = (group: string, version: string, kind: string): Resource<o.NodeClassObject> =>
  grouped<o.NodeClassObject>(group, version, kind, `${kind.toLowerCase()}es`, false);
export const EC2_NODE_CLASSES = nodeClass('karpenter.k8s.aws', 'v1', 'EC2NodeClass');
/** Of EKS Auto Mode. */
export const AUTO_NODE_CLASSES = nodeClass('eks.amazonaws.com', 'v1', 'NodeClass');
/** The NodeClasses of each cloud's Karpenter; no cluster serves them all. */
export const NODE_CLASSES: readonly Resource<o.NodeClassObject>[] = [
  EC2_NODE_CLASSES,
  AUTO_NODE_CLASSES,
  nodeClass('karpenter.azure.com', 'v1beta1', 'AKSNodeClass'),
  nodeClass('karpenter.k8s.gcp', 'v1alpha1', 'GCENodeClass'),
  nodeClass('karpenter.kwok.sh', 'v1alpha1', 'KWOKNodeClass'),
];
export const REBALANCE_PLANS = ours<RebalancePlan>('RebalancePlan', 'rebalanceplans');
export const REBALANCE_PLAN_CLAIMS = ours<RebalancePlanClaim>('RebalancePlanClaim', 'rebalanceplanclaims');
export const REBALANCE_PLAN_SCHEDULES = ours<RebalancePlanSchedule>(
  'RebalancePlanSchedule',
  'rebalanceplanschedules',
);
export const REBALANCE_MIGRATION_PLANS = ours<RebalanceMigrationPlan>(
  'RebalanceMigrationPlan',
  'rebalancemigrationplans',
);
export const AUTOSCALER_POLICIES = ours<AutoscalerPolicy>('AutoscalerPolicy', 'autoscalerpolicies');
export const EVICTOR_CONFIGS = ours<EvictorConfig>('EvictorConfig', 'evictorconfigs');
export const UNAVAILABLE_OFFERINGS = ours<UnavailableOffering>('UnavailableOffering', 'unavailableofferings');

/** The API path of a resource: its collection, one object, or a subresource of one. */
export const pathOf = (
  resource: Resource,
  ref: { readonly namespace?: string; readonly name?: string; readonly subresource?: string } = {},
): string => {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const scope =
    resource.namespaced && ref.namespace ? `/namespaces/${encodeURIComponent(ref.namespace)}` : '';
  const name = ref.name ? `/${encodeURIComponent(ref.name)}` : '';
  const sub = ref.subresource ? `/${ref.subresource}` : '';
  return `${root}/${resource.version}${scope}/${resource.plural}${name}${sub}`;
};

/** The resource's apiVersion. */
export const apiVersionOf = (resource: Resource): string =>
  resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
