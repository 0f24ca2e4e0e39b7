import type { LabelSelector } from '../../api/objects.ts';
import { listOf, makeNode, makePod, makePool, makeSnapshot } from './builders.ts';

const APP: LabelSelector = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['x'] }],
};

/** Fields that types of ours leave out, since only reports read them. */
const PROBES = {
  startupProbe: { periodSeconds: 5, failureThreshold: 30 },
  readinessProbe: { initialDelaySeconds: 20, successThreshold: 2 },
};

/** A small cluster with an object of every kind that plans depend on, as kubectl prints it. */
export const richList = (): unknown => {
  const first = makeNode('n1', {
    type: 'm5.xlarge',
    taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }],
  });
  const second = makeNode('n2', { type: 'm5.xlarge', zone: 'us-west-2b' });
  const pool = makePool('default', {
    taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }],
    startupTaints: [{ key: 'start', effect: 'NoExecute' }],
    terminationGracePeriod: '1h',
  });
  const disruption = {
    consolidationPolicy: 'WhenEmptyOrUnderutilized',
    consolidateAfter: '30s',
    budgets: [{ nodes: '50%', reasons: ['Underutilized'], schedule: '@daily', duration: '1h' }],
  };
  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: APP, namespaces: ['other'] };
  const picky = makePod('picky', {
    node: 'n1',
    labels: { tier: 'y' },
    spec: {
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ key: 'team', operator: 'Equal', value: 'a', effect: 'NoSchedule' }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] }] },
            ],
          },
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'disk', operator: 'Exists' }] } },
          ],
        },
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [term],
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 2, podAffinityTerm: term }],
        },
      },
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'topology.kubernetes.io/zone',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: APP,
          minDomains: 1,
        },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      initContainers: [
        {
          name: 'init',
          restartPolicy: 'Always',
          resources: { requests: { cpu: '10m' }, limits: { cpu: '20m' } },
        },
      ],
      containers: [
        {
          name: 'main',
          resources: { requests: { cpu: '100m', memory: '1Gi' }, limits: { memory: '1Gi' } },
          ...PROBES,
          ports: [{ containerPort: 80, hostPort: 8080, protocol: 'TCP', hostIP: '0.0.0.0' }],
        },
      ],
      overhead: { cpu: '1m' },
    },
  });
  const claim = (name: string) => ({
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    metadata: { name, namespace: 'default' },
    spec: {
      volumeName: `pv-${name}`,
      storageClassName: 'gp3',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
    },
    status: { phase: 'Bound' },
  });
  const inFlight = {
    kind: 'NodeClaim',
    apiVersion: 'karpenter.sh/v1',
    metadata: { name: 'coming', labels: { 'karpenter.sh/nodepool': 'default' } },
    spec: {
      nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
      requirements: [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.large'] }],
      resources: { requests: { cpu: '1', memory: '1Gi' } },
      taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }],
    },
    status: {
      providerID: 'aws:///coming',
      capacity: { cpu: '2', memory: '8Gi', pods: '20' },
      allocatable: { cpu: '1900m', memory: '7Gi', pods: '20' },
      conditions: [{ type: 'Launched', status: 'True' }],
    },
  };
  const terminating = makePod('going', { node: 'n2', owner: 'StatefulSet' });
  const daemon = makePod('agent-n2', { node: 'n2', app: 'agent', owner: 'DaemonSet' });
  const pods = [
    picky,
    makePod('moves', { node: 'n2' }),
    makePod('waits', { cpu: 3000 }),
    daemon,
    {
      ...terminating,
      metadata: {
        ...terminating.metadata,
        deletionTimestamp: '2026-06-01T11:59:00Z',
        deletionGracePeriodSeconds: 30,
      },
    },
  ];
  const base = listOf(makeSnapshot([first, second], pods, { nodePools: [] })) as { items: object[] };
  const others: object[] = [
    {
      ...pool,
      apiVersion: 'karpenter.sh/v1',
      spec: { ...pool.spec, disruption, weight: 10, limits: { cpu: '100' } },
      status: { resources: { cpu: '8' }, conditions: [{ type: 'Ready', status: 'True' }] },
    },
    inFlight,
    claim('data'),
    {
      kind: 'PersistentVolume',
      apiVersion: 'v1',
      metadata: { name: 'pv-data', labels: { 'topology.kubernetes.io/zone': 'us-west-2a' } },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        claimRef: { name: 'data', namespace: 'default' },
        csi: { driver: 'ebs.csi.aws.com', volumeHandle: 'vol-1' },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              {
                matchExpressions: [
                  { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a'] },
                ],
              },
            ],
          },
        },
      },
      status: { phase: 'Bound' },
    },
    {
      kind: 'StorageClass',
      apiVersion: 'storage.k8s.io/v1',
      metadata: { name: 'gp3' },
      provisioner: 'ebs.csi.aws.com',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowedTopologies: [
        { matchLabelExpressions: [{ key: 'topology.kubernetes.io/zone', values: ['us-west-2a'] }] },
      ],
    },
    {
      kind: 'CSINode',
      apiVersion: 'storage.k8s.io/v1',
      metadata: { name: 'n1' },
      spec: { drivers: [{ name: 'ebs.csi.aws.com', nodeID: 'i-1', allocatable: { count: 25 } }] },
    },
    {
      kind: 'DaemonSet',
      apiVersion: 'apps/v1',
      metadata: { name: 'agent', namespace: 'default', uid: 'rs-agent' },
      spec: {
        selector: { matchLabels: { app: 'agent' } },
        template: {
          metadata: { labels: { app: 'agent' } },
          spec: {
            tolerations: [{ operator: 'Exists' }],
            containers: [
              { name: 'agent', resources: { limits: { cpu: '50m' }, requests: { memory: '64Mi' } } },
            ],
          },
        },
      },
    },
    {
      kind: 'ReplicaSet',
      apiVersion: 'apps/v1',
      metadata: {
        name: 'web',
        namespace: 'default',
        uid: 'rs-web',
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true },
        ],
      },
      spec: { replicas: 2, selector: APP },
      status: { replicas: 2, readyReplicas: 2 },
    },
    {
      kind: 'PodDisruptionBudget',
      apiVersion: 'policy/v1',
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: APP, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
      status: { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 },
    },
    { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'default', labels: { team: 'a' } } },
    {
      kind: 'LimitRange',
      apiVersion: 'v1',
      metadata: { name: 'usual', namespace: 'default' },
      spec: { limits: [{ type: 'Container', default: { cpu: '1' }, defaultRequest: { cpu: '100m' } }] },
    },
    {
      kind: 'EC2NodeClass',
      apiVersion: 'karpenter.k8s.aws/v1',
      metadata: { name: 'default' },
      spec: {
        kubelet: {
          maxPods: 40,
          podsPerCore: 20,
          systemReserved: { memory: '100Mi' },
          kubeReserved: { cpu: '50m' },
          evictionHard: { 'memory.available': '5%' },
        },
        blockDeviceMappings: [{ deviceName: '/dev/xvda', rootVolume: true, ebs: { volumeSize: '20Gi' } }],
        instanceStorePolicy: 'RAID0',
      },
      status: {
        subnets: [{ id: 's-1', zone: 'us-west-2a', zoneID: 'usw2-az1' }],
        capacityReservations: [
          {
            id: 'cr-1',
            instanceType: 'm5.large',
            availabilityZone: 'us-west-2a',
            reservationType: 'default',
            state: 'active',
          },
        ],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    },
    {
      kind: 'NodeOverlay',
      apiVersion: 'karpenter.sh/v1alpha1',
      metadata: { name: 'cheaper' },
      spec: {
        weight: 10,
        priceAdjustment: '-10%',
        capacity: { 'example.com/slots': '2' },
        requirements: [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.large'] }],
      },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    },
    {
      kind: 'DeviceClass',
      apiVersion: 'resource.k8s.io/v1',
      metadata: { name: 'gpus' },
      spec: { extendedResourceName: 'example.com/gpu' },
    },
  ];
  return { apiVersion: 'v1', kind: 'List', items: [...base.items, ...others] };
};
