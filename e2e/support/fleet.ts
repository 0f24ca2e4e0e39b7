import * as labels from '../../api/labels.ts';
import type { NodeClaim, NodePool, Requirement } from '../../api/objects.ts';
import { isTrue } from '../../api/records/condition.ts';
import { NODE_CLAIMS, NODE_POOLS, NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { until } from '../../kube/testing/until.ts';
import { ec2NodeClass, type NodePoolOptions, nodePool } from '../ground/aws/nodepool.ts';

/** Machines of a NodePool, ordered from Karpenter one NodeClaim at a time. */

/** Many cheap types: the NodePool of Karpenter's getting-started guide, on-demand, common sizes. */
const REQUIREMENTS: readonly Requirement[] = [
  { key: labels.KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['on-demand'] },
  { key: 'karpenter.k8s.aws/instance-generation', operator: 'Gt', values: ['4'] },
  { key: 'karpenter.k8s.aws/instance-cpu', operator: 'In', values: ['2', '4', '8', '16'] },
];

export type PoolOptions = NodePoolOptions & { readonly name: string };

/** Applies the EC2NodeClass and a NodePool, and waits until Karpenter calls both ready. */
export const applyPool = async (client: KubeClient, o: PoolOptions): Promise<NodePool> => {
  await client.request('PATCH', '/apis/karpenter.k8s.aws/v1/ec2nodeclasses/default', {
    query: { fieldManager: 'e2e', force: 'true' },
    body: ec2NodeClass(),
    contentType: 'application/apply-patch+yaml',
  });
  const given = new Set((o.requirements ?? []).map(({ key }) => key));
  const pool = nodePool({
    expireAfter: 'Never',
    budgets: [{ nodes: '100%' }],
    ...o,
    requirements: [...REQUIREMENTS.filter(({ key }) => !given.has(key)), ...(o.requirements ?? [])],
  });
  await client.apply(NODE_POOLS, pool, { fieldManager: 'e2e', force: true });
  return until(
    `NodePool ${o.name} ready`,
    async () => {
      const pool = await client.get(NODE_POOLS, { name: o.name });
      const hashed = pool.metadata.annotations?.[labels.KARPENTER_NODEPOOL_HASH] !== undefined;
      return isTrue(pool.status?.conditions, 'Ready') && hashed ? pool : undefined;
    },
    { timeoutMs: 60_000 },
  );
};

/** Orders one machine of the given type, which Karpenter launches like one of its own. */
export const orderMachine = async (
  client: KubeClient,
  pool: NodePool,
  o: {
    readonly name: string;
    readonly instanceType: string;
    readonly zone?: string;
    readonly capacityType?: string;
    readonly expireAfter?: string;
  },
): Promise<NodeClaim> => {
  const { uid } = pool.metadata;
  if (!uid) throw new Error(`NodePool ${pool.metadata.name} has no uid: it was not read from a server`);
  const annotations = pool.metadata.annotations ?? {};
  const template = pool.spec.template.spec;
  const zone = o.zone ? [{ key: labels.ZONE, operator: 'In' as const, values: [o.zone] }] : [];
  return client.create(NODE_CLAIMS, {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: {
      name: o.name,
      labels: {
        [labels.KARPENTER_NODEPOOL]: pool.metadata.name,
        'karpenter.k8s.aws/ec2nodeclass': template.nodeClassRef.name,
      },
      annotations: {
        [labels.KARPENTER_NODEPOOL_HASH]: annotations[labels.KARPENTER_NODEPOOL_HASH] ?? '',
        [labels.KARPENTER_NODEPOOL_HASH_VERSION]: annotations[labels.KARPENTER_NODEPOOL_HASH_VERSION] ?? '',
      },
      ownerReferences: [
        {
          apiVersion: 'karpenter.sh/v1',
          kind: 'NodePool',
          name: pool.metadata.name,
          uid,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      nodeClassRef: template.nodeClassRef,
      requirements: [
        { key: labels.INSTANCE_TYPE, operator: 'In', values: [o.instanceType] },
        { key: labels.KARPENTER_CAPACITY_TYPE, operator: 'In', values: [o.capacityType ?? 'on-demand'] },
        { key: labels.ARCH, operator: 'In', values: ['amd64'] },
        { key: labels.OS, operator: 'In', values: ['linux'] },
        ...zone,
      ],
      resources: { requests: { cpu: '1' } },
      expireAfter: o.expireAfter ?? 'Never',
    },
  });
};

/** Waits until these NodeClaims are Initialized, which is after their nodes are Ready. */
export const machinesReady = (client: KubeClient, names: readonly string[], timeoutMs: number) =>
  until(
    `${names.length} machines initialized`,
    async () => {
      const { items } = await client.list(NODE_CLAIMS);
      const ready = items.filter(
        (c) => names.includes(c.metadata.name) && isTrue(c.status?.conditions, 'Initialized'),
      );
      return ready.length === names.length ? ready : undefined;
    },
    { timeoutMs, everyMs: 500 },
  );

/** Deletes the NodePool with all its machines, and waits until it is gone. */
export const dropPool = async (client: KubeClient, name: string): Promise<void> => {
  const selector = { labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}` };
  const gone = (error: unknown) => {
    if (!isNotFound(error)) throw error;
  };
  await client.delete(NODE_POOLS, { name }).catch(gone);
  const { items } = await client.list(NODE_CLAIMS, selector);
  await Promise.all(items.map((c) => client.delete(NODE_CLAIMS, { name: c.metadata.name }).catch(gone)));
  await until(
    `machines of NodePool ${name} gone`,
    async () => {
      const claims = await client.list(NODE_CLAIMS, selector);
      const nodes = await client.list(NODES, selector);
      return claims.items.length + nodes.items.length === 0;
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
};
