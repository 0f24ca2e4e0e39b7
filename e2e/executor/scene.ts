import * as labels from '../../api/labels.ts';
import type { KubeObject, Pod } from '../../api/objects.ts';
import {
  DEPLOYMENTS,
  NODE_CLAIMS,
  NODE_POOLS,
  NODES,
  POD_DISRUPTION_BUDGETS,
  PODS,
  REPLICA_SETS,
  type Resource,
} from '../../api/resources.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { cpuOf, ZONES } from './cluster/catalogue.ts';
import { type Cluster, NAMESPACE, POOL } from './cluster/cluster.ts';
import { claimFor } from './cluster/karpenter.ts';
import { owners, STATEFUL_SETS } from './cluster/owners.ts';

/** What a history begins with. */
export interface Scene {
  readonly nodes: number;
  /** Replicas of a Deployment. */
  readonly web: number;
  /** Whether there is a Deployment of one pod that surges. */
  readonly hasSurge: boolean;
  /** Replicas of a StatefulSet. */
  readonly db: number;
  /** minAvailable of the budget of the first Deployment; undefined for no budget. */
  readonly minAvailable: number | undefined;
}

const put = <T extends KubeObject>(cluster: Cluster, resource: Resource<T>, object: object): T =>
  cluster.api.create(resource, typed(resource, object));

const setDeployment = (
  cluster: Cluster,
  name: string,
  replicas: number,
  annotations: Readonly<Record<string, string>>,
): void => {
  const meta = { namespace: NAMESPACE, annotations };
  const deployment = put(cluster, DEPLOYMENTS, { metadata: { ...meta, name }, spec: { replicas } });
  put(cluster, REPLICA_SETS, {
    metadata: {
      ...meta,
      name: `${name}-1`,
      labels: { app: name, [labels.POD_TEMPLATE_HASH]: `${name}-1` },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'Deployment', name, uid: deployment.metadata.uid, controller: true },
      ],
    },
    spec: { replicas, cpu: '500m', selector: { matchLabels: { app: name } } },
  });
};

/** A machine that has been there for long. */
const setNode = (cluster: Cluster, number: number): void => {
  const pool = cluster.api.get(NODE_POOLS, { name: POOL });
  const name = `${POOL}-${number}`;
  const zone = ZONES[number % ZONES.length] ?? '';
  const offer = { instanceType: 'm5.xlarge', zone, capacityType: 'on-demand' };
  const placed = {
    [labels.KARPENTER_NODEPOOL]: POOL,
    [labels.INSTANCE_TYPE]: offer.instanceType,
    [labels.ZONE]: zone,
    [labels.KARPENTER_CAPACITY_TYPE]: offer.capacityType,
  };
  const providerID = cluster.startMachine(false);
  const node = cluster.machines.get(providerID)?.node ?? '';
  const cpu = `${cpuOf(offer.instanceType)}m`;
  const room = { cpu, memory: '64Gi', pods: '58' };
  cluster.api.create(NODE_CLAIMS, claimFor(pool, name, [offer.instanceType]));
  cluster.api.edit(NODE_CLAIMS, { name }, (c) => ({
    ...c,
    metadata: { ...c.metadata, labels: { ...c.metadata.labels, ...placed } },
    status: {
      providerID,
      nodeName: node,
      capacity: room,
      allocatable: room,
      conditions: ['Launched', 'Registered', 'Initialized'].map((type) => ({
        type,
        status: 'True' as const,
      })),
    },
  }));
  put(cluster, NODES, {
    metadata: {
      name: node,
      labels: { ...placed, [labels.KARPENTER_REGISTERED]: 'true', [labels.KARPENTER_INITIALIZED]: 'true' },
      finalizers: [labels.KARPENTER_TERMINATION_FINALIZER],
    },
    spec: { providerID },
    status: {
      capacity: room,
      allocatable: room,
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: { kubeletVersion: 'v1.37.2' },
    },
  });
};

const runPods = (cluster: Cluster): void => {
  const nodes = cluster.api.nodes();
  for (const [at, pod] of cluster.api.pods().entries()) {
    const nodeName = nodes[at % nodes.length]?.metadata.name ?? '';
    const running: Pod['status'] = {
      phase: 'Running',
      startTime: cluster.api.store.timestamp(),
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    cluster.api.edit(PODS, pod.metadata, (p) => ({ ...p, spec: { ...p.spec, nodeName }, status: running }));
  }
};

export const setScene = (cluster: Cluster, scene: Scene): void => {
  put(cluster, NODE_POOLS, {
    metadata: { name: POOL, annotations: { [labels.KARPENTER_NODEPOOL_HASH]: '1' } },
    spec: {
      limits: { cpu: '60' },
      disruption: { budgets: [{ nodes: '100%' }] },
      template: {
        spec: {
          nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
          requirements: [],
        },
      },
    },
  });
  for (let n = 1; n <= scene.nodes; n++) setNode(cluster, n);
  setDeployment(cluster, 'web', scene.web, {});
  if (scene.hasSurge) setDeployment(cluster, 'only', 1, { [labels.SURGE]: 'true' });
  put(cluster, STATEFUL_SETS, {
    metadata: { name: 'db', namespace: NAMESPACE, labels: { app: 'db' } },
    spec: { replicas: scene.db, cpu: '500m' },
  });
  if (scene.minAvailable !== undefined) {
    put(cluster, POD_DISRUPTION_BUDGETS, {
      metadata: { name: 'web', namespace: NAMESPACE },
      spec: { selector: { matchLabels: { app: 'web' } }, minAvailable: scene.minAvailable },
    });
  }
  owners(cluster);
  runPods(cluster);
  owners(cluster);
};
