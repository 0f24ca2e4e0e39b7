import type { Node, NodeClaim, NodePool, Pod, PodSpec } from '../../api/objects.ts';
import { emptySnapshot, type Snapshot } from '../model/snapshot.ts';

/** Builders of objects for tests and benchmarks: usual defaults, with overrides. */

export const makePool = (
  name = 'default',
  spec: Partial<NodePool['spec']['template']['spec']> = {},
): NodePool => ({
  kind: 'NodePool',
  metadata: {
    name,
    uid: `uid-${name}`,
    annotations: { 'karpenter.sh/nodepool-hash': '123', 'karpenter.sh/nodepool-hash-version': 'v3' },
  },
  spec: {
    template: {
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements: [
          { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
          { key: 'kubernetes.io/os', operator: 'In', values: ['linux'] },
          { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
          { key: 'karpenter.k8s.aws/instance-category', operator: 'In', values: ['c', 'm', 'r'] },
          { key: 'karpenter.k8s.aws/instance-generation', operator: 'Gt', values: ['2'] },
        ],
        expireAfter: '720h',
        ...spec,
      },
    },
  },
});

/** A ready node of Karpenter's and its NodeClaim. CPU in millicores, memory in MiB. */
export const makeNode = (
  name: string,
  o: {
    readonly type?: string;
    readonly zone?: string;
    readonly capacityType?: string;
    readonly pool?: string;
    readonly cpu?: number;
    readonly memory?: number;
    readonly pods?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly taints?: NonNullable<Node['spec']>['taints'];
  } = {},
): { node: Node; claim: NodeClaim } => {
  const pool = o.pool ?? 'default';
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/os': 'linux',
    'node.kubernetes.io/instance-type': o.type ?? 'm5.xlarge',
    'topology.kubernetes.io/zone': o.zone ?? 'us-west-2a',
    'karpenter.sh/capacity-type': o.capacityType ?? 'on-demand',
    'karpenter.sh/nodepool': pool,
    'karpenter.sh/initialized': 'true',
    'karpenter.sh/registered': 'true',
    ...o.labels,
  };
  const amounts = {
    cpu: `${o.cpu ?? 3900}m`,
    memory: `${o.memory ?? 15_000}Mi`,
    pods: String(o.pods ?? 58),
    'ephemeral-storage': '20Gi',
  };
  return {
    node: {
      kind: 'Node',
      metadata: { name, labels, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { providerID: `aws:///${name}`, ...(o.taints && { taints: o.taints }) },
      status: { capacity: amounts, allocatable: amounts, conditions: [{ type: 'Ready', status: 'True' }] },
    },
    claim: {
      kind: 'NodeClaim',
      metadata: { name: `claim-${name}`, labels: { 'karpenter.sh/nodepool': pool } },
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements: [],
      },
      status: { nodeName: name, providerID: `aws:///${name}` },
    },
  };
};

/** A node of a managed node group: Karpenter does not own it. */
export const foreignNode = (name: string, o: Parameters<typeof makeNode>[1] = {}): Node => {
  const { node } = makeNode(name, o);
  const labels = Object.fromEntries(
    Object.entries(node.metadata.labels ?? {}).filter(([key]) => !key.startsWith('karpenter.sh/')),
  );
  return { ...node, metadata: { ...node.metadata, labels } };
};

/** A pod of a ReplicaSet. CPU in millicores, memory in MiB. */
export const makePod = (
  name: string,
  o: {
    readonly cpu?: number;
    readonly memory?: number;
    readonly app?: string;
    readonly node?: string;
    readonly spec?: Partial<PodSpec>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly owner?: string | null;
  } = {},
): Pod => {
  const app = o.app ?? 'web';
  return {
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      labels: { app, ...o.labels },
      ...(o.owner !== null && {
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: o.owner ?? 'ReplicaSet',
            name: app,
            uid: `rs-${app}`,
            controller: true,
          },
        ],
      }),
    },
    spec: {
      containers: [
        {
          name: 'main',
          resources: { requests: { cpu: `${o.cpu ?? 500}m`, memory: `${o.memory ?? 512}Mi` } },
        },
      ],
      ...(o.node !== undefined && { nodeName: o.node }),
      ...o.spec,
    },
    status: { phase: o.node === undefined ? 'Pending' : 'Running' },
  };
};

export const makeSnapshot = (
  nodes: readonly { readonly node: Node; readonly claim: NodeClaim }[],
  pods: readonly Pod[],
  rest: Partial<Snapshot> = {},
): Snapshot => ({
  ...emptySnapshot,
  nodes: nodes.map(({ node }) => node),
  nodeClaims: nodes.map(({ claim }) => claim),
  nodePools: [makePool()],
  pods,
  ...rest,
});

/** The snapshot as kubectl prints it. */
export const listOf = (snapshot: Snapshot): unknown => ({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    ...snapshot.nodes,
    ...snapshot.nodeClaims,
    ...snapshot.nodePools,
    ...snapshot.pods,
    ...snapshot.daemonSets,
  ],
});

/** `count` fragmented m5.xlarge nodes with the pods of `apps` Deployments spread over them. */
export const fragmentedCluster = (count: number, apps: number, perApp: number): Snapshot => {
  const nodes = Array.from({ length: count }, (_, n) =>
    makeNode(`node-${n}`, { zone: `us-west-2${'abc'[n % 3]}` }),
  );
  const cpus = [100, 150, 200, 250, 300, 200, 150, 400, 100, 250, 120, 180];
  const memories = [128, 256, 512, 300, 1024, 200, 700, 512, 400, 256, 900, 350];
  const pods = Array.from({ length: apps * perApp }, (_, n) =>
    makePod(`app-${n % apps}-${Math.floor(n / apps)}`, {
      app: `app-${n % apps}`,
      cpu: cpus[n % 12] ?? 100,
      memory: memories[n % 12] ?? 128,
      node: `node-${(n * 7 + Math.floor(n / 12)) % count}`,
    }),
  );
  return makeSnapshot(nodes, pods);
};
