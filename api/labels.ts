/** Names of labels, annotations, taints and gates that components share. */

export const GROUP = 'autoscaling.cast.ai';
export const GROUP_VERSION = 'autoscaling.cast.ai/v1alpha';
export const INSTALL_NAMESPACE = 'castai-agent';
/** Names of our Deployments, and of the ServiceAccounts, roles and Leases of each. */
export const KENTROLLER = 'castai-kentroller';
export const POD_PINNER = 'castai-pod-pinner';
export const POD_PINNER_WEBHOOK = 'castai-pod-pinner-webhook';
export const POD_PINNER_WEBHOOK_KEEPER = 'castai-pod-pinner-webhook-keeper';

/** On a pod or node, 'true' as label or annotation: it is never moved or removed. */
export const REMOVAL_DISABLED = 'autoscaling.cast.ai/removal-disabled';
/** On a node, 'true' as label or annotation: no plan moves pods to it. */
export const MOVES_HERE_DISABLED = 'autoscaling.cast.ai/moves-here-disabled';
/** Why a node is being drained: evictor, rebalancing, spot-prediction, spot-fallback, spot-interruption, manual. */
export const DRAINING = 'autoscaling.cast.ai/draining';
/** On a Node: the mark of the plan that cordoned it; without the label `draining` it is only closed to new pods. */
export const CORDONED_BY = 'autoscaling.cast.ai/cordoned-by';
/** On a Node that we created before its machine joined. We delete no other Nodes. */
export const PLACEHOLDER = 'autoscaling.cast.ai/placeholder';
/** The RebalancePlan that an object belongs to: its name as a label value. For selectors; OWNED_BY says whose it is. */
export const PLAN = 'autoscaling.cast.ai/rebalance-plan';
/** On an object that we created: the mark of its plan or schedule. */
export const OWNED_BY = 'autoscaling.cast.ai/owned-by';
/** On a pinned pod: the id of the pin intent whose slot the pod holds. */
export const PIN = 'autoscaling.cast.ai/pin';
/** Taint that reserves a node for the pods that a plan puts there, until the plan is done. */
export const PREPARING_TAINT = 'scheduling.cast.ai/pod-pinning-preparing';
/** Taint of a node that is about to be removed: no new pod comes, until its NodeClaim is deleted or it is opened again. */
export const REMOVAL_TAINT = 'autoscaling.cast.ai/removing';
/** Kubernetes' taint of a node whose kubelet is not ready. */
export const NOT_READY = 'node.kubernetes.io/not-ready';
/** Kubernetes' taint of a node whose kubelet has fallen silent. */
export const UNREACHABLE = 'node.kubernetes.io/unreachable';
/** Kubernetes' taint of a node whose network is not set up. */
export const NETWORK_UNAVAILABLE = 'node.kubernetes.io/network-unavailable';
/** Kubernetes' taint of a cordoned node. */
export const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
/** The cloud provider's taint of a node that it has not set up yet. */
export const UNINITIALIZED = 'node.cloudprovider.kubernetes.io/uninitialized';
/** Scheduling gate of held pods. */
export const PIN_GATE = 'autoscaling.cast.ai/pin-hold';
/** On a pod created behind our gate: lets the components that remove gates select such pods. */
export const PIN_HELD = 'autoscaling.cast.ai/pin-held';
/** On a held pod: the node that it waits for, once its name is known. */
export const PIN_NODE = 'autoscaling.cast.ai/pin-node';
/** On a probe pod: a dry run that shows whether the API server calls the webhook. */
export const PIN_PROBE = 'autoscaling.cast.ai/pin-probe';
/** Name of the admission policy that steers pods of running plans. */
export const SOFT_PINS_POLICY = 'castai-soft-pins';
/** On a node: a live migration provider serves it. On a pod, 'false': it is not migrated. */
export const LIVE_MIGRATION = 'live.cast.ai/migration-enabled';
/** On a pod, 'true': it is evicted, not migrated. */
export const LIVE_MIGRATION_DISABLED = 'autoscaling.cast.ai/live-migration-disabled';
/** On a Deployment or its pod template: 'true' lets its only pod surge, 'false' forbids it. */
export const SURGE = 'autoscaling.cast.ai/surge';
/** On a surging pod: the plan that detached it from its ReplicaSet, and how to attach it again. */
export const SURGED = 'autoscaling.cast.ai/surged';
/** Kubernetes' label that ties a pod to the ReplicaSet of one revision of its Deployment. */
export const POD_TEMPLATE_HASH = 'pod-template-hash';
/** On a RebalancePlanClaim or RebalancePlan, 'true': it is canceled and rolled back. */
export const CANCEL = 'autoscaling.cast.ai/cancel';
export const REBALANCING_STATUS = 'rebalancing.cast.ai/status';
/** On a node, 'true': it is at risk of being taken back by the cloud. */
export const PREDICTED_INTERRUPTION = 'autoscaling.cast.ai/predicted-interruption';
/** On a node: JSON, what was heard of its interruption, and until when our label PREDICTED_INTERRUPTION stays. */
export const INTERRUPTION_MARK = 'autoscaling.cast.ai/interruption-prediction';

/** Finalizer of a running plan: keeps it until all that it changed is undone. */
export const PLAN_FINALIZER = 'autoscaling.cast.ai/rebalance-plan';
/** Finalizer of what kentroller needs to undo its plans: its rights, its identity and its Lease. */
export const UNDO_FINALIZER = 'autoscaling.cast.ai/undo-first';
/** On a NodeClaim: the mark of the plan that has it to itself. */
export const IN_USE_BY = 'autoscaling.cast.ai/in-use-by';
/** On a Node: the mark of the plan that put karpenter.sh/do-not-disrupt on it. */
export const LOCKED_BY = 'autoscaling.cast.ai/locked-by';
/** On a Node that we locked: the value of karpenter.sh/do-not-disrupt before, which is put back. */
export const LOCK_KEEPS = 'autoscaling.cast.ai/locked-before';
/** On a Node, 'true': do-not-disrupt is on it while room of CapacityBuffers that kentroller serves lies there. */
export const KEEPS_ROOM = 'autoscaling.cast.ai/keeps-room';
/** On a reserved Node, 'true': a cordon of ours comes in the taint's place, for pods of DaemonSets that are due. */
export const OPEN_TO_DAEMONSETS = 'autoscaling.cast.ai/open-to-daemonsets';
/** On a reserved Node: until when it waits for pods of DaemonSets that don't come, RFC 3339. */
export const DAEMONSETS_UNTIL = 'autoscaling.cast.ai/daemonsets-until';
/** On a Node that we cordoned: JSON, what of the cordon and its label was there before. */
export const CORDONED_BEFORE = 'autoscaling.cast.ai/cordoned-before';
/** On a plan of an earlier release: JSON, what status.pinBaseline has now. It is not read any more. */
export const PIN_BASELINE = 'autoscaling.cast.ai/pin-baseline';
/** On a NodeClaim: its name in the plan, which all attempts of a planned claim share. */
export const PLANNED_CLAIM = 'autoscaling.cast.ai/planned-claim';
/** On a Node that we created or completed: its NodeClaim. It stays after the machine has joined. */
export const NODE_CLAIM = 'autoscaling.cast.ai/placeholder-node-claim';
/** On a placeholder: its deadline, RFC 3339; used when the intent is missing. */
export const JOIN_DEADLINE = 'autoscaling.cast.ai/placeholder-join-deadline';
/** On a node, a selector, a toleration: spot machines, and pods that want them. */
export const SPOT = 'scheduling.cast.ai/spot';
/** On pods and nodes of other products: on-demand is asked for. */
export const ON_DEMAND = 'scheduling.cast.ai/on-demand';
/** On a pod, from its workload's template: percent of the workload's pods that go to spot, 0 to 100. */
export const SPOT_PERCENTAGE = 'scheduling.cast.ai/spot-percentage';
/** On a pod that the webhook sent to spot or to on-demand: its place in the split, such as spot-3. */
export const SPOT_PLACE = 'autoscaling.cast.ai/spot-place';
/** On a pod: which pods of its ReplicaSet go first when it shrinks, the lowest number first. */
export const POD_DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
/** On an on-demand Node that stands in for spot until there is some, with the value true. */
export const SPOT_FALLBACK = 'scheduling.cast.ai/spot-fallback';
/** Values of DRAINING while a plan drains a node. */
export const DRAINING_REBALANCING = 'rebalancing';
export const DRAINING_EVICTOR = 'evictor';
export const DRAINING_SPOT_PREDICTION = 'spot-prediction';
export const DRAINING_SPOT_FALLBACK = 'spot-fallback';
export const DRAIN_REASONS = [
  DRAINING_REBALANCING,
  DRAINING_EVICTOR,
  DRAINING_SPOT_PREDICTION,
  DRAINING_SPOT_FALLBACK,
] as const;
/** On a Node that the evictor's plan has emptied, with the value EVICTION_DONE: its NodeClaim may be deleted. */
export const EVICTION_STATUS = 'evictor.cast.ai/eviction-status';
export const EVICTION_DONE = 'done';
/** PreferNoSchedule taint of a Node that the evictor's plan drains, and for a while after a drain that failed. */
export const EVICTED_TAINT = 'evictor.cast.ai/evicted';
/** Taint of the nodes that a scoped autoscaler made. */
export const SCOPED_TAINT = 'scheduling.cast.ai/scoped-autoscaler';
/** On NodeClaims and Nodes, with the value MANAGED_BY_US: a machine that an autoscaler of this domain bought. */
export const MANAGED_BY = 'provisioner.cast.ai/managed-by';
export const MANAGED_BY_US = 'cast.ai';
/** On a pod, 'true': the evictor may evict it without other ready replicas, a controller, or from a Job. */
export const DISPOSABLE = 'autoscaling.cast.ai/disposable';
/** On a pod, any value: an eviction request moves it, by whoever answers it; it is never deleted past that. */
export const REQUEST_EVICT_ONLY = 'descheduler.alpha.kubernetes.io/request-evict-only';
/** On a pod, any value: who answers its eviction request is moving it. */
export const EVICTION_IN_PROGRESS = 'descheduler.alpha.kubernetes.io/eviction-in-progress';

/**
 * The nomination of a pod that a plan is about to be made for: Karpenter buys no node for a nominated pod. Followed by '.1' to '.9'
 * where the API server has kept it so often against kube-scheduler.
 */
export const AWAITS_PLAN = 'autoscaling.cast.ai.awaits-plan';

/** On a NodePool, 'true': limits of 0 keep Karpenter's own provisioner off it, and bind no plan of ours. */
export const PLANS_ONLY = 'autoscaling.cast.ai/plans-only';

/** Kubernetes' label of the nodes of a control plane. */
export const CONTROL_PLANE = 'node-role.kubernetes.io/control-plane';

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

/** kube-scheduler's annotation on a PersistentVolumeClaim: the node that its volume is made for. */
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
/** The kubelet's annotation on the mirror of a static pod. */
export const MIRROR_POD = 'kubernetes.io/config.mirror';
export const HOSTNAME = 'kubernetes.io/hostname';
export const INSTANCE_TYPE = 'node.kubernetes.io/instance-type';
export const ZONE = 'topology.kubernetes.io/zone';
/** AWS' id of a zone, which means the same zone in every account. */
export const ZONE_ID = 'topology.k8s.aws/zone-id';
export const REGION = 'topology.kubernetes.io/region';
/** Labels of machines in a capacity reservation of AWS. */
export const CAPACITY_RESERVATION_ID = 'karpenter.k8s.aws/capacity-reservation-id';
export const CAPACITY_RESERVATION_TYPE = 'karpenter.k8s.aws/capacity-reservation-type';
export const CAPACITY_RESERVATION_INTERRUPTIBLE = 'karpenter.k8s.aws/capacity-reservation-interruptible';
export const ARCH = 'kubernetes.io/arch';
export const OS = 'kubernetes.io/os';

/** Hours per month, for monthly prices. */
export const HOURS_PER_MONTH = 730;
