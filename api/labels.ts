/** Names of labels, annotations and taints that cross a boundary. */

export const GROUP = 'autoscaling.cast.ai';
export const GROUP_VERSION = 'autoscaling.cast.ai/v1alpha';
export const INSTALL_NAMESPACE = 'castai-agent';

/** Pods and nodes that carry it, as label or annotation, are never moved or removed. */
export const REMOVAL_DISABLED = 'autoscaling.cast.ai/removal-disabled';
/** Why a node is being emptied: evictor, rebalancing, spot-prediction, spot-fallback, spot-interruption, manual. */
export const DRAINING = 'autoscaling.cast.ai/draining';
/** Marks a Node that precision-packer made before its machine joined; only Nodes that carry it are ever deleted by us. */
export const PLACEHOLDER = 'autoscaling.cast.ai/placeholder';
/** The RebalancePlan that an object belongs to, by name. */
export const PLAN = 'autoscaling.cast.ai/rebalance-plan';
/** On a pinned pod: the id of the pin intent whose slot the pod holds. */
export const PIN = 'autoscaling.cast.ai/pin';
/** Reserves a node for the pods that a plan puts there; taken off when the plan is done. */
export const PREPARING_TAINT = 'scheduling.cast.ai/pod-pinning-preparing';
/** Kubernetes' own taint of a node whose kubelet is not ready. */
export const NOT_READY = 'node.kubernetes.io/not-ready';
/** Scheduling gate of the `hold` way to pin. */
export const PIN_GATE = 'autoscaling.cast.ai/pin-hold';
/** Label of a pod that was created behind our gate: how whoever lifts gates finds such pods among all others. */
export const PIN_HELD = 'autoscaling.cast.ai/pin-held';
/** On a held pod: the node that it waits for, once that has a name. */
export const PIN_NODE = 'autoscaling.cast.ai/pin-node';
/** On a pod of a dry run in our own namespace: asks whether the webhook is live at the API server. */
export const PIN_PROBE = 'autoscaling.cast.ai/pin-probe';
/** On a node: a live migration provider serves it, as source and as destination. On a pod: 'false' keeps it out. */
export const LIVE_MIGRATION = 'live.cast.ai/migration-enabled';
/** On a pod, 'true': it is evicted rather than migrated. */
export const LIVE_MIGRATION_DISABLED = 'autoscaling.cast.ai/live-migration-disabled';
/** On a Deployment or its pod template: 'true' has its only pod replaced before it goes, 'false' never. */
export const SURGE = 'autoscaling.cast.ai/surge';
/** On a pod that stays until its successor is ready: which plan let its ReplicaSet make one, and how to give it back. */
export const SURGED = 'autoscaling.cast.ai/surged';
/** Kubernetes' own label that ties a pod to the ReplicaSet of one revision of its Deployment. */
export const POD_TEMPLATE_HASH = 'pod-template-hash';
/** On a RebalancePlanClaim or RebalancePlan, 'true': it is ended, and what it changed is put back. */
export const CANCEL = 'autoscaling.cast.ai/cancel';
export const REBALANCING_STATUS = 'rebalancing.cast.ai/status';
export const PREDICTED_INTERRUPTION = 'autoscaling.cast.ai/predicted-interruption';

export const SAFE_TO_EVICT = 'cluster-autoscaler.kubernetes.io/safe-to-evict';

export const KARPENTER_DO_NOT_DISRUPT = 'karpenter.sh/do-not-disrupt';
export const KARPENTER_NODEPOOL = 'karpenter.sh/nodepool';
export const KARPENTER_CAPACITY_TYPE = 'karpenter.sh/capacity-type';
export const KARPENTER_INITIALIZED = 'karpenter.sh/initialized';
export const KARPENTER_REGISTERED = 'karpenter.sh/registered';
export const KARPENTER_NODEPOOL_HASH = 'karpenter.sh/nodepool-hash';
export const KARPENTER_NODEPOOL_HASH_VERSION = 'karpenter.sh/nodepool-hash-version';
export const KARPENTER_DISRUPTED_TAINT = 'karpenter.sh/disrupted';
export const KARPENTER_UNREGISTERED_TAINT = 'karpenter.sh/unregistered';
export const KARPENTER_TERMINATION_FINALIZER = 'karpenter.sh/termination';

/** Annotation of the kubelet on the API server's copy of a static pod. */
export const MIRROR_POD = 'kubernetes.io/config.mirror';
export const HOSTNAME = 'kubernetes.io/hostname';
export const INSTANCE_TYPE = 'node.kubernetes.io/instance-type';
export const ZONE = 'topology.kubernetes.io/zone';
export const REGION = 'topology.kubernetes.io/region';
export const ARCH = 'kubernetes.io/arch';
export const OS = 'kubernetes.io/os';

/** Hours that a month has when an hourly price is shown as a monthly one. */
export const HOURS_PER_MONTH = 730;
