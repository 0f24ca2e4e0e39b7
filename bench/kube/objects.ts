/** A large user's cluster: workloads of 30 replicas, with pods as a kubelet and a controller leave them. */

const REPLICAS = 30;
const NAMESPACES = 50;
const SINCE = Date.UTC(2026, 0, 1);

const pad = (n: number, width: number): string => String(n).padStart(width, '0');
const time = (n: number): string => new Date(SINCE + n * 1000).toISOString().replace('.000Z', 'Z');
const uid = (kind: number, n: number): string =>
  `${pad(kind, 8)}-0000-4000-8000-${(n * 2654435761).toString(16).slice(-12).padStart(12, '0')}`;

export const namespaceOf = (workload: number): string => `team-${pad(workload % NAMESPACES, 2)}`;
export const nodeName = (n: number): string => `ip-10-${n >> 8}-${n & 255}-7.us-west-2.compute.internal`;
const hashOf = (workload: number): string => (workload * 40503 + 0x10000000).toString(36).slice(0, 9);
const podName = (n: number): string => {
  const workload = Math.floor(n / REPLICAS);
  const suffix = ((n * 48271) % 60466176).toString(36).padStart(5, '0');
  return `service-${pad(workload, 4)}-${hashOf(workload)}-${suffix}`;
};

export const podKey = (n: number): string => `${namespaceOf(Math.floor(n / REPLICAS))}/${podName(n)}`;

export interface Stored {
  /** The object's key in etcd. */
  readonly key: string;
  readonly object: object;
}

export const namespaces = (): Stored[] =>
  Array.from({ length: NAMESPACES }, (_, n) => ({
    key: `namespaces/${namespaceOf(n)}`,
    object: {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespaceOf(n), uid: uid(1, n), creationTimestamp: time(0) },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    },
  }));

// managedFields as the API server keeps them: in real clusters about a third of a pod's size.
const managed = (manager: string, fields: readonly string[], at: string): object => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  time: at,
  fieldsType: 'FieldsV1',
  fieldsV1: Object.fromEntries(
    fields.map((f) => [
      `f:${f}`,
      { '.': {}, 'f:name': {}, 'f:status': {}, 'f:type': {}, 'f:lastProbeTime': {} },
    ]),
  ),
});

const POD_SPEC_FIELDS =
  'generateName labels ownerReferences containers dnsPolicy enableServiceLinks restartPolicy schedulerName securityContext terminationGracePeriodSeconds volumes tolerations';
const POD_STATUS_FIELDS = 'conditions containerStatuses hostIP hostIPs phase podIP podIPs startTime';

/** A running pod; version is where a latency test looks for it. */
export const pod = (n: number, nodes: number, version = ''): Stored => {
  const workload = Math.floor(n / REPLICAS);
  const namespace = namespaceOf(workload);
  const name = podName(n);
  const app = `service-${pad(workload, 4)}`;
  const at = time(workload * 40 + (n % REPLICAS));
  const resources = {
    requests: { cpu: `${100 + (workload % 8) * 50}m`, memory: `${256 + (workload % 16) * 64}Mi` },
    limits: { memory: `${512 + (workload % 16) * 64}Mi` },
  };
  const condition = (type: string): object => ({
    type,
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: at,
    observedGeneration: 1,
  });
  const ip = `10.${128 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
  return {
    key: `pods/${namespace}/${name}`,
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        generateName: `${app}-${hashOf(workload)}-`,
        namespace,
        uid: uid(2, n),
        generation: 1,
        creationTimestamp: at,
        labels: {
          app,
          'app.kubernetes.io/name': app,
          'app.kubernetes.io/part-of': `product-${workload % 20}`,
          'pod-template-hash': hashOf(workload),
        },
        annotations: {
          'prometheus.io/scrape': 'true',
          'prometheus.io/port': '8080',
          ...(version ? { 'bench.cast.ai/version': version } : {}),
        },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'ReplicaSet',
            name: `${app}-${hashOf(workload)}`,
            uid: uid(3, workload),
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
        managedFields: [
          managed('kube-controller-manager', POD_SPEC_FIELDS.split(' '), at),
          { ...managed('kubelet', POD_STATUS_FIELDS.split(' '), at), subresource: 'status' },
        ],
      },
      spec: {
        volumes: [
          { name: 'config', configMap: { name: `${app}-config`, defaultMode: 420 } },
          {
            name: `kube-api-access-${name.slice(-5)}`,
            projected: {
              sources: [
                { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
                { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
                {
                  downwardAPI: {
                    items: [
                      { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } },
                    ],
                  },
                },
              ],
              defaultMode: 420,
            },
          },
        ],
        containers: [
          {
            name: 'main',
            image: `registry.example/${app}:v${workload % 40}`,
            env: Array.from({ length: 8 }, (_, i) => ({
              name: `SETTING_${i}`,
              value: `value-${workload}-${i}`,
            })),
            ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
            resources,
            readinessProbe: {
              httpGet: { path: '/readyz', port: 'http', scheme: 'HTTP' },
              timeoutSeconds: 1,
              periodSeconds: 10,
              successThreshold: 1,
              failureThreshold: 3,
            },
            volumeMounts: [
              { name: 'config', mountPath: '/etc/config' },
              {
                name: `kube-api-access-${name.slice(-5)}`,
                readOnly: true,
                mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
              },
            ],
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
            imagePullPolicy: 'IfNotPresent',
          },
        ],
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        dnsPolicy: 'ClusterFirst',
        serviceAccountName: app,
        serviceAccount: app,
        nodeName: nodeName(n % nodes),
        securityContext: {},
        schedulerName: 'default-scheduler',
        tolerations: [
          {
            key: 'node.kubernetes.io/not-ready',
            operator: 'Exists',
            effect: 'NoExecute',
            tolerationSeconds: 300,
          },
          {
            key: 'node.kubernetes.io/unreachable',
            operator: 'Exists',
            effect: 'NoExecute',
            tolerationSeconds: 300,
          },
        ],
        priority: 0,
        enableServiceLinks: true,
        preemptionPolicy: 'PreemptLowerPriority',
      },
      status: {
        observedGeneration: 1,
        phase: 'Running',
        conditions: [
          'PodReadyToStartContainers',
          'Initialized',
          'Ready',
          'ContainersReady',
          'PodScheduled',
        ].map(condition),
        hostIP: `10.0.${(n % nodes) >> 8}.${(n % nodes) & 255}`,
        hostIPs: [{ ip: `10.0.${(n % nodes) >> 8}.${(n % nodes) & 255}` }],
        podIP: ip,
        podIPs: [{ ip }],
        startTime: at,
        containerStatuses: [
          {
            name: 'main',
            state: { running: { startedAt: at } },
            lastState: {},
            ready: true,
            restartCount: 0,
            image: `registry.example/${app}:v${workload % 40}`,
            imageID: `registry.example/${app}@sha256:${'ab'.repeat(32)}`,
            containerID: `containerd://${uid(4, n).replaceAll('-', '')}${uid(5, n).replaceAll('-', '')}`,
            started: true,
            allocatedResources: resources.requests,
            resources,
          },
        ],
        qosClass: 'Burstable',
      },
    },
  };
};

export const node = (n: number): Stored => {
  const name = nodeName(n);
  const at = time(n);
  const size = ['large', 'xlarge', '2xlarge', '4xlarge'][n % 4];
  const cpu = String(2 << (n % 4));
  const resources = {
    cpu,
    memory: `${8 << (n % 4)}Gi`,
    pods: '110',
    'ephemeral-storage': '80Gi',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
  };
  return {
    key: `minions/${name}`,
    object: {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name,
        uid: uid(6, n),
        creationTimestamp: at,
        labels: {
          'kubernetes.io/hostname': name,
          'kubernetes.io/arch': 'amd64',
          'kubernetes.io/os': 'linux',
          'node.kubernetes.io/instance-type': `m5.${size}`,
          'topology.kubernetes.io/zone': `us-west-2${'abc'[n % 3]}`,
          'topology.kubernetes.io/region': 'us-west-2',
          'karpenter.sh/capacity-type': n % 3 ? 'on-demand' : 'spot',
          'eks.amazonaws.com/nodegroup': 'default',
        },
        annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
        managedFields: [managed('kubelet', POD_STATUS_FIELDS.split(' '), at)],
      },
      spec: { providerID: `aws:///us-west-2${'abc'[n % 3]}/i-${uid(7, n).slice(-12)}` },
      status: {
        capacity: resources,
        allocatable: resources,
        conditions: ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
          type,
          status: type === 'Ready' ? 'True' : 'False',
          lastHeartbeatTime: at,
          lastTransitionTime: at,
          reason: type === 'Ready' ? 'KubeletReady' : `KubeletHasNo${type}`,
          message: 'kubelet reports its state',
        })),
        addresses: [
          { type: 'InternalIP', address: `10.${n >> 8}.${n & 255}.7` },
          { type: 'Hostname', address: name },
        ],
        nodeInfo: {
          machineID: uid(8, n),
          systemUUID: uid(8, n),
          bootID: uid(9, n),
          kernelVersion: '6.1.0',
          osImage: 'Amazon Linux 2023',
          containerRuntimeVersion: 'containerd://2.4.2',
          kubeletVersion: 'v1.36.3',
          kubeProxyVersion: '',
          operatingSystem: 'linux',
          architecture: 'amd64',
        },
        images: Array.from({ length: 30 }, (_, i) => ({
          names: [`registry.example/image-${i}@sha256:${'cd'.repeat(32)}`, `registry.example/image-${i}:v1`],
          sizeBytes: 100_000_000 + i,
        })),
      },
    },
  };
};
