import {
  conditions,
  labelSelector,
  metadata,
  names,
  nodeSelector,
  podSpec,
  requirements,
  resources,
  taints,
  texts,
} from './podshape.ts';
import { type Check, fields, flag, list, number, quantities, quantity, text } from './shape.ts';

/** A kind of object that plans depend on. */
export interface Kind {
  /** Where its objects stand in a snapshot. */
  readonly field: ListField;
  /** API groups that may serve it; others have kinds of the same name. */
  readonly groups: readonly string[];
  /** The one version that is read, where others have other fields. */
  readonly version?: string;
  readonly check: Check;
}

/** Fields of a snapshot that are lists of objects. */
export type ListField =
  | 'nodes'
  | 'pods'
  | 'nodePools'
  | 'nodeClaims'
  | 'daemonSets'
  | 'replicaSets'
  | 'podDisruptionBudgets'
  | 'persistentVolumeClaims'
  | 'persistentVolumes'
  | 'storageClasses'
  | 'csiNodes'
  | 'namespaces'
  | 'deviceClasses'
  | 'limitRanges'
  | 'nodeClasses'
  | 'nodeOverlays';

const containerStatuses = list(fields({ name: text, resources, allocatedResources: quantities }, ['name']));

/** An object with fields beside its metadata. */
const object = (known: Readonly<Record<string, Check>>, required: readonly string[] = []): Check =>
  fields({ metadata, ...known }, ['metadata', ...required]);

const KARPENTER = { groups: ['karpenter.sh'], version: 'v1' } as const;

/** A cloud's NodeClass: where machines can be had, and what their kubelets keep. */
const nodeClass = (...groups: readonly string[]): Kind => ({
  field: 'nodeClasses',
  groups,
  check: object({
    spec: fields({
      kubelet: fields({
        maxPods: number,
        podsPerCore: number,
        kubeReserved: quantities,
        systemReserved: quantities,
        evictionHard: names,
      }),
      amiFamily: text,
      amiSelectorTerms: list(fields({ alias: text })),
      instanceStorePolicy: text,
      blockDeviceMappings: list(
        fields({ deviceName: text, rootVolume: flag, ebs: fields({ volumeSize: quantity }) }),
      ),
      ephemeralStorage: fields({ size: quantity }),
    }),
    status: fields({ subnets: list(fields({ zone: text, zoneID: text })), conditions }),
  }),
});

/** The kinds that a snapshot is read of, with the fields that the planner relies on. */
export const KINDS: Readonly<Record<string, Kind>> = {
  Node: {
    field: 'nodes',
    groups: [''],
    check: object({
      spec: fields({ providerID: text, unschedulable: flag, taints }),
      status: fields({
        capacity: quantities,
        allocatable: quantities,
        conditions,
        nodeInfo: fields({ kubeletVersion: text }),
        addresses: list(fields({ type: text, address: text })),
      }),
    }),
  },
  Pod: {
    field: 'pods',
    groups: [''],
    check: object(
      {
        spec: podSpec,
        status: fields({
          phase: text,
          reason: text,
          nominatedNodeName: text,
          startTime: text,
          conditions,
          containerStatuses,
          initContainerStatuses: containerStatuses,
          resources,
          allocatedResources: quantities,
          resourceClaimStatuses: list(fields({ name: text })),
          extendedResourceClaimStatus: fields({ resourceClaimName: text }),
        }),
      },
      ['spec'],
    ),
  },
  NodePool: {
    field: 'nodePools',
    ...KARPENTER,
    check: object(
      {
        spec: fields(
          {
            replicas: number,
            weight: number,
            limits: quantities,
            disruption: fields({
              consolidationPolicy: text,
              consolidateAfter: text,
              budgets: list(
                fields({ nodes: text, reasons: texts, schedule: text, duration: text }, ['nodes']),
              ),
            }),
            template: fields(
              {
                metadata: fields({ labels: names, annotations: names }),
                spec: fields(
                  {
                    nodeClassRef: fields({ group: text, kind: text, name: text }, ['group', 'kind', 'name']),
                    requirements,
                    taints,
                    startupTaints: taints,
                    expireAfter: text,
                    terminationGracePeriod: text,
                  },
                  ['nodeClassRef', 'requirements'],
                ),
              },
              ['spec'],
            ),
          },
          ['template'],
        ),
        status: fields({ resources: quantities, conditions }),
      },
      ['spec'],
    ),
  },
  NodeClaim: {
    field: 'nodeClaims',
    ...KARPENTER,
    check: object(
      {
        spec: fields({ requirements, resources, taints, startupTaints: taints }, ['requirements']),
        status: fields({
          nodeName: text,
          providerID: text,
          imageID: text,
          capacity: quantities,
          allocatable: quantities,
          conditions,
        }),
      },
      ['spec'],
    ),
  },
  DaemonSet: {
    field: 'daemonSets',
    groups: ['apps', 'extensions'],
    check: object(
      {
        spec: fields({ template: fields({ metadata: fields({ labels: names }), spec: podSpec }, ['spec']) }, [
          'template',
        ]),
      },
      ['spec'],
    ),
  },
  ReplicaSet: {
    field: 'replicaSets',
    groups: ['apps', 'extensions'],
    check: object({
      spec: fields({ replicas: number, selector: labelSelector }),
      status: fields({ replicas: number, readyReplicas: number }),
    }),
  },
  PodDisruptionBudget: {
    field: 'podDisruptionBudgets',
    groups: ['policy'],
    check: object({
      spec: fields({ selector: labelSelector, unhealthyPodEvictionPolicy: text }),
      status: fields({
        disruptionsAllowed: number,
        currentHealthy: number,
        desiredHealthy: number,
        expectedPods: number,
      }),
    }),
  },
  PersistentVolumeClaim: {
    field: 'persistentVolumeClaims',
    groups: [''],
    check: object({
      spec: fields({
        storageClassName: text,
        volumeName: text,
        accessModes: texts,
        resources: fields({ requests: quantities }),
        selector: labelSelector,
        volumeMode: text,
      }),
      status: fields({ phase: text }),
    }),
  },
  PersistentVolume: {
    field: 'persistentVolumes',
    groups: [''],
    check: object({
      spec: fields({
        storageClassName: text,
        nodeAffinity: fields({ required: nodeSelector }),
        csi: fields({ driver: text, volumeHandle: text }, ['driver', 'volumeHandle']),
        claimRef: fields({ name: text, namespace: text }),
        capacity: quantities,
        accessModes: texts,
        volumeMode: text,
      }),
      status: fields({ phase: text }),
    }),
  },
  StorageClass: {
    field: 'storageClasses',
    groups: ['storage.k8s.io'],
    check: object({
      provisioner: text,
      volumeBindingMode: text,
      allowedTopologies: list(
        fields({
          matchLabelExpressions: list(fields({ key: text, values: texts }, ['key', 'values'])),
        }),
      ),
    }),
  },
  CSINode: {
    field: 'csiNodes',
    groups: ['storage.k8s.io'],
    check: object({
      spec: fields({
        drivers: list(fields({ name: text, allocatable: fields({ count: number }) }, ['name'])),
      }),
    }),
  },
  Namespace: { field: 'namespaces', groups: [''], check: object({}) },
  DeviceClass: {
    field: 'deviceClasses',
    groups: ['resource.k8s.io'],
    check: object({ spec: fields({ extendedResourceName: text }) }),
  },
  NodeOverlay: {
    field: 'nodeOverlays',
    groups: ['karpenter.sh'],
    check: object(
      {
        spec: fields({
          requirements,
          weight: number,
          price: text,
          priceAdjustment: text,
          capacity: quantities,
        }),
        status: fields({ conditions }),
      },
      ['spec'],
    ),
  },
  EC2NodeClass: nodeClass('karpenter.k8s.aws'),
  NodeClass: nodeClass('eks.amazonaws.com'),
  AKSNodeClass: nodeClass('karpenter.azure.com'),
  GCENodeClass: nodeClass('karpenter.k8s.gcp'),
  KWOKNodeClass: nodeClass('karpenter.kwok.sh'),
  LimitRange: {
    field: 'limitRanges',
    groups: [''],
    check: object({
      spec: fields({
        limits: list(fields({ type: text, default: quantities, defaultRequest: quantities }, ['type'])),
      }),
    }),
  },
};
