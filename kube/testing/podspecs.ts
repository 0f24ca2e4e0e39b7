const labelSelector = {
  matchLabels: { app: 'web' },
  matchExpressions: [
    { key: 'tier', operator: 'In', values: ['a', 'b'] },
    { key: 'gone', operator: 'DoesNotExist' },
  ],
};
const nodeTerm = {
  matchExpressions: [
    { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
    { key: 'size', operator: 'Gt', values: ['4'] },
  ],
  matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }],
};
const podTerm = {
  labelSelector,
  namespaceSelector: {},
  namespaces: ['x', 'y'],
  topologyKey: 'kubernetes.io/hostname',
  matchLabelKeys: ['pod-template-hash'],
};
const container = { name: 'main', image: 'main' };

/**
 * Pod specs, by name, that use every field that api/objects.ts declares, with values that are easily lost: 0, false,
 * empty.
 */
export const podSpecsOn = (o: {
  readonly nodeName: string;
  readonly priorityClass: string;
}): Readonly<Record<string, object>> => ({
  plain: { containers: [container] },
  resources: {
    containers: [
      {
        ...container,
        resources: {
          requests: { cpu: '250m', memory: '1.5Gi', 'example.com/device': '1' },
          limits: { memory: '2Gi', 'example.com/device': '1' },
        },
        ports: [
          { containerPort: 80, hostPort: 8080, name: 'web', hostIP: '127.0.0.1' },
          { containerPort: 81 },
        ],
      },
      { ...container, name: 'side' },
    ],
    initContainers: [
      { ...container, name: 'sidecar', restartPolicy: 'Always', resources: { requests: { cpu: '1e-1' } } },
      { ...container, name: 'init' },
    ],
    terminationGracePeriodSeconds: 0,
    priorityClassName: o.priorityClass,
    serviceAccountName: 'default',
  },
  placed: { containers: [container], nodeName: o.nodeName, hostNetwork: true, schedulerName: 'other' },
  rules: {
    containers: [container],
    nodeSelector: { 'kubernetes.io/arch': 'amd64', empty: '' },
    tolerations: [
      { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 0 },
      { key: 'b', value: 'c', effect: 'NoExecute', tolerationSeconds: -1 },
      { operator: 'Exists' },
    ],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [nodeTerm] },
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 7, preference: nodeTerm }],
      },
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [podTerm] },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: podTerm }],
      },
    },
    topologySpreadConstraints: [
      {
        maxSkew: 2,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector,
        minDomains: 3,
        nodeAffinityPolicy: 'Ignore',
        nodeTaintsPolicy: 'Honor',
        matchLabelKeys: ['pod-template-hash'],
      },
    ],
    schedulingGates: [{ name: 'example.com/wait' }],
  },
  volumes: {
    containers: [container],
    volumes: [
      { name: 'claim', persistentVolumeClaim: { claimName: 'data', readOnly: true } },
      { name: 'scratch', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
      { name: 'host', hostPath: { path: '/data', type: 'Directory' } },
      { name: 'driver', csi: { driver: 'csi.example.com', readOnly: false } },
      { name: 'disk', awsElasticBlockStore: { volumeID: 'vol-1', fsType: 'ext4' } },
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'key', secret: { secretName: 'key' } },
    ],
  },
  claims: {
    containers: [{ ...container, resources: { claims: [{ name: 'gpu', request: 'one' }] } }],
    resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpus' }],
  },
  podLevel: {
    containers: [container],
    resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2', memory: '1Gi' } },
  },
});
