/**
 * The fields of Kubernetes and Karpenter objects that we read or write, as in JSON: times are RFC 3339 strings and
 * quantities are Kubernetes quantity strings.
 */

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly generateName?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
  /** Who wrote which fields; no cache keeps it. */
  readonly managedFields?: readonly ManagedFields[];
}

export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  /** 'status' where it was written there. */
  readonly subresource?: string;
  /** A tree of fields, each with the prefix 'f:'. */
  readonly fieldsV1?: object;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  readonly observedGeneration?: number;
}

export type TaintEffect = 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: TaintEffect;
  readonly timeAdded?: string;
}

export interface Toleration {
  readonly key?: string;
  readonly operator?: 'Exists' | 'Equal' | 'Lt' | 'Gt';
  readonly value?: string;
  readonly effect?: TaintEffect;
  readonly tolerationSeconds?: number;
}

export type ResourceList = Readonly<Record<string, string>>;

export interface SelectorRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  readonly values?: readonly string[];
}

export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly SelectorRequirement[];
  readonly matchFields?: readonly SelectorRequirement[];
}

export interface NodeSelector {
  readonly nodeSelectorTerms: readonly NodeSelectorTerm[];
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

export interface PodAffinityTerm {
  readonly labelSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly namespaces?: readonly string[];
  readonly topologyKey: string;
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

export interface PodAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[];
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight: number;
    readonly podAffinityTerm: PodAffinityTerm;
  }[];
}

export interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector;
    readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
      readonly weight: number;
      readonly preference: NodeSelectorTerm;
    }[];
  };
  readonly podAffinity?: PodAffinity;
  readonly podAntiAffinity?: PodAffinity;
}

export interface TopologySpreadConstraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway';
  readonly labelSelector?: LabelSelector;
  readonly minDomains?: number;
  readonly nodeAffinityPolicy?: 'Honor' | 'Ignore';
  readonly nodeTaintsPolicy?: 'Honor' | 'Ignore';
  readonly matchLabelKeys?: readonly string[];
}

export interface Container {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly resources?: {
    readonly requests?: ResourceList;
    readonly limits?: ResourceList;
    readonly claims?: readonly { readonly name: string }[];
  };
  readonly ports?: readonly {
    readonly containerPort?: number;
    readonly hostPort?: number;
    readonly hostIP?: string;
    readonly protocol?: string;
  }[];
}

export interface Volume {
  readonly name: string;
  readonly persistentVolumeClaim?: { readonly claimName: string; readonly readOnly?: boolean };
  readonly ephemeral?: {
    readonly volumeClaimTemplate?: { readonly spec?: { readonly storageClassName?: string } };
  };
  readonly hostPath?: { readonly path: string };
  readonly emptyDir?: { readonly medium?: string; readonly sizeLimit?: string };
  readonly [source: string]: unknown;
}

export interface PodSpec {
  readonly nodeName?: string;
  readonly schedulerName?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly affinity?: Affinity;
  readonly tolerations?: readonly Toleration[];
  readonly topologySpreadConstraints?: readonly TopologySpreadConstraint[];
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly overhead?: ResourceList;
  readonly resources?: { readonly requests?: ResourceList; readonly limits?: ResourceList };
  readonly volumes?: readonly Volume[];
  readonly resourceClaims?: readonly { readonly name: string }[];
  readonly schedulingGates?: readonly { readonly name: string }[];
  readonly schedulingGroup?: { readonly podGroupName?: string };
  readonly hostNetwork?: boolean;
  readonly priority?: number;
  readonly priorityClassName?: string;
  readonly preemptionPolicy?: string;
  readonly serviceAccountName?: string;
  readonly terminationGracePeriodSeconds?: number;
}

export interface ContainerStatus {
  readonly name: string;
  /** What the container has now, which differs from its spec while it is resized. */
  readonly resources?: { readonly requests?: ResourceList };
  readonly allocatedResources?: ResourceList;
}

export interface PodStatus {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  readonly nominatedNodeName?: string;
  readonly startTime?: string;
  readonly conditions?: readonly Condition[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
  /** What the pod has now, where its spec has resources of the pod as a whole. */
  readonly resources?: { readonly requests?: ResourceList };
  readonly allocatedResources?: ResourceList;
  readonly resourceClaimStatuses?: readonly { readonly name: string }[];
  readonly extendedResourceClaimStatus?: { readonly resourceClaimName: string };
}

export interface Pod extends KubeObject {
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

export interface Node extends KubeObject {
  readonly spec?: {
    readonly providerID?: string;
    readonly unschedulable?: boolean;
    readonly taints?: readonly Taint[];
  };
  readonly status?: {
    readonly capacity?: ResourceList;
    readonly allocatable?: ResourceList;
    readonly conditions?: readonly Condition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly nodeInfo?: { readonly kubeletVersion?: string };
  };
}

/** A requirement of a NodePool or NodeClaim; minValues, Gte and Lte are Karpenter's additions. */
export interface Requirement extends Omit<SelectorRequirement, 'operator'> {
  readonly operator: SelectorRequirement['operator'] | 'Gte' | 'Lte';
  readonly minValues?: number;
}

export interface NodeClassRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

export interface NodeClaimSpec {
  readonly nodeClassRef: NodeClassRef;
  readonly requirements: readonly Requirement[];
  readonly resources?: { readonly requests?: ResourceList };
  readonly taints?: readonly Taint[];
  readonly startupTaints?: readonly Taint[];
  readonly expireAfter?: string;
  readonly terminationGracePeriod?: string;
}

export interface NodeClaim extends KubeObject {
  readonly spec: NodeClaimSpec;
  readonly status?: {
    readonly nodeName?: string;
    readonly providerID?: string;
    readonly imageID?: string;
    readonly capacity?: ResourceList;
    readonly allocatable?: ResourceList;
    readonly conditions?: readonly Condition[];
    readonly lastPodEventTime?: string;
  };
}

export interface NodePool extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly weight?: number;
    readonly limits?: ResourceList;
    readonly disruption?: {
      readonly consolidationPolicy?: string;
      readonly consolidateAfter?: string;
      readonly budgets?: readonly {
        readonly nodes: string;
        readonly reasons?: readonly string[];
        readonly schedule?: string;
        readonly duration?: string;
      }[];
    };
    readonly template: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec: {
        readonly nodeClassRef: NodeClassRef;
        readonly requirements: readonly Requirement[];
        readonly taints?: readonly Taint[];
        readonly startupTaints?: readonly Taint[];
        readonly expireAfter?: string;
        readonly terminationGracePeriod?: string;
      };
    };
  };
  readonly status?: { readonly resources?: ResourceList; readonly conditions?: readonly Condition[] };
}

export interface DaemonSet extends KubeObject {
  readonly spec: {
    readonly selector?: LabelSelector;
    readonly template: { readonly metadata?: Partial<ObjectMeta>; readonly spec: PodSpec };
  };
}

export interface PodTemplate extends KubeObject {
  readonly template?: { readonly metadata?: Partial<ObjectMeta>; readonly spec: PodSpec };
}

/** Somebody's wish that a pod be evicted, which responders answer (alpha in Kubernetes 1.37). */
export interface EvictionRequest extends KubeObject {
  readonly spec: {
    readonly target: { readonly pod?: { readonly name: string; readonly uid: string } };
    readonly requester: string;
    readonly intent: 'Eviction' | 'Withdrawn';
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Room that an autoscaler keeps free for pods to come, in chunks of one pod's size. */
export interface CapacityBuffer extends KubeObject {
  readonly spec?: {
    readonly podTemplateRef?: { readonly name: string };
    readonly scalableRef?: { readonly apiGroup?: string; readonly kind: string; readonly name: string };
    readonly provisioningStrategy?: string;
    readonly replicas?: number;
    /** Of the replicas of what scalableRef names. */
    readonly percentage?: number;
    readonly limits?: ResourceList;
  };
  readonly status?: {
    readonly replicas?: number;
    readonly provisioningStrategy?: string;
    readonly podTemplateRef?: { readonly name: string };
    readonly podTemplateGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
}

export interface HorizontalPodAutoscaler extends KubeObject {
  readonly spec: {
    readonly scaleTargetRef: { readonly apiVersion?: string; readonly kind: string; readonly name: string };
    readonly maxReplicas: number;
  };
  readonly status?: {
    readonly currentReplicas?: number;
    readonly desiredReplicas?: number;
    readonly conditions?: readonly Condition[];
  };
}

/** A controller that makes pods from a template: a Deployment, ReplicaSet or StatefulSet. */
export interface Workload extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly metadata?: Partial<ObjectMeta>; readonly spec: PodSpec };
  };
}

export interface Deployment extends KubeObject {
  readonly spec?: { readonly replicas?: number; readonly strategy?: { readonly type?: string } };
}

export interface ReplicaSet extends KubeObject {
  readonly spec?: { readonly replicas?: number; readonly selector?: LabelSelector };
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number };
}

export interface PodDisruptionBudget extends KubeObject {
  readonly spec?: {
    readonly selector?: LabelSelector;
    readonly unhealthyPodEvictionPolicy?: 'IfHealthyBudget' | 'AlwaysAllow';
  };
  readonly status?: {
    readonly disruptionsAllowed?: number;
    readonly currentHealthy?: number;
    readonly desiredHealthy?: number;
    readonly expectedPods?: number;
  };
}

export interface Namespace extends KubeObject {}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
  /** Values in base64. */
  readonly binaryData?: Readonly<Record<string, string>>;
}

export interface Secret extends KubeObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface PersistentVolumeClaim extends KubeObject {
  readonly spec?: {
    readonly storageClassName?: string;
    readonly volumeName?: string;
    readonly accessModes?: readonly string[];
    readonly resources?: { readonly requests?: { readonly storage?: string } };
    readonly selector?: LabelSelector;
    readonly volumeMode?: string;
  };
  readonly status?: { readonly phase?: string };
}

export interface PersistentVolume extends KubeObject {
  readonly spec?: {
    readonly storageClassName?: string;
    readonly nodeAffinity?: { readonly required?: NodeSelector };
    readonly csi?: { readonly driver: string; readonly volumeHandle: string };
    readonly claimRef?: { readonly name?: string; readonly namespace?: string };
    readonly capacity?: { readonly storage?: string };
    readonly accessModes?: readonly string[];
    readonly volumeMode?: string;
    readonly [source: string]: unknown;
  };
  readonly status?: { readonly phase?: string };
}

export interface StorageClass extends KubeObject {
  readonly provisioner?: string;
  readonly volumeBindingMode?: 'Immediate' | 'WaitForFirstConsumer';
  readonly allowedTopologies?: readonly {
    readonly matchLabelExpressions?: readonly { readonly key: string; readonly values: readonly string[] }[];
  }[];
}

export interface CSINode extends KubeObject {
  readonly spec?: {
    readonly drivers?: readonly {
      readonly name: string;
      readonly nodeID?: string;
      readonly allocatable?: { readonly count?: number };
    }[];
  };
}

/** A cloud's NodeClass, as far as it says where machines can be had and what they keep for themselves. */
export interface NodeClassObject extends KubeObject {
  readonly spec?: {
    readonly amiFamily?: string;
    readonly amiSelectorTerms?: readonly { readonly alias?: string }[];
    readonly kubelet?: {
      readonly maxPods?: number;
      readonly podsPerCore?: number;
      readonly kubeReserved?: ResourceList;
      readonly systemReserved?: ResourceList;
      /** A quantity or a percentage of the node's, by signal: memory.available, nodefs.available. */
      readonly evictionHard?: Readonly<Record<string, string>>;
    };
    readonly instanceStorePolicy?: string;
    readonly blockDeviceMappings?: readonly {
      readonly deviceName?: string;
      readonly rootVolume?: boolean;
      readonly ebs?: { readonly volumeSize?: string };
    }[];
    /** The disk of a machine of EKS Auto Mode. */
    readonly ephemeralStorage?: { readonly size?: string };
  };
  readonly status?: {
    readonly subnets?: readonly { readonly zone?: string; readonly zoneID?: string }[];
    /** Those that the class's machines may be launched into; one that is `expiring` takes no more. */
    readonly capacityReservations?: readonly { readonly id: string; readonly state?: string }[];
    readonly conditions?: readonly Condition[];
  };
}

/** Karpenter's changes of price and capacity for machines that meet its requirements. */
export interface NodeOverlay extends KubeObject {
  readonly spec: {
    readonly requirements?: readonly Requirement[];
    readonly weight?: number;
    readonly price?: string;
    readonly priceAdjustment?: string;
    readonly capacity?: ResourceList;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** A class of devices that pods claim (DRA). */
export interface DeviceClass extends KubeObject {
  /** The extended resource that stands for one device of the class. */
  readonly spec?: { readonly extendedResourceName?: string };
}

/** Defaults and bounds for what the pods of a namespace ask for. */
export interface LimitRange extends KubeObject {
  readonly spec?: {
    readonly limits?: readonly {
      readonly type: string;
      readonly default?: ResourceList;
      readonly defaultRequest?: ResourceList;
    }[];
  };
}

/** What the pods of a namespace may ask for together. */
export interface ResourceQuota extends KubeObject {
  readonly spec?: {
    readonly hard?: ResourceList;
    readonly scopes?: readonly string[];
    readonly scopeSelector?: {
      readonly matchExpressions?: readonly {
        readonly scopeName: string;
        readonly operator: string;
        readonly values?: readonly string[];
      }[];
    };
  };
  readonly status?: { readonly hard?: ResourceList; readonly used?: ResourceList };
}

export interface KubeEvent extends KubeObject {
  readonly involvedObject?: {
    readonly kind?: string;
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
  };
  readonly reason?: string;
  readonly message?: string;
  readonly type?: string;
  readonly lastTimestamp?: string;
  readonly eventTime?: string;
}

export interface MutatingWebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly {
    readonly name: string;
    readonly clientConfig: {
      readonly caBundle?: string;
      readonly url?: string;
      readonly service?: { readonly path?: string; readonly [key: string]: unknown };
    };
    readonly [key: string]: unknown;
  }[];
}
