import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, ZONE } from '../../api/labels.ts';
import type { NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, NODE_POOLS, PODS } from '../../api/resources.ts';
import type { Ground } from '../../e2e/ground/ground.ts';
import { karpenterReady } from '../../e2e/ground/kwok/kwok.ts';
import { kwokNodeClass, kwokNodePool } from '../../e2e/ground/kwok/nodepool.ts';
import { suspend } from '../../e2e/ground/suspend.ts';
import { machinesReady } from '../../e2e/support/fleet.ts';
import { until } from '../../e2e/support/until.ts';
import { applyDeployment, createNamespace, podsRunning } from '../../e2e/support/workload.ts';
import type { KubeClient } from '../../kube/client.ts';
import { forEach } from '../support/cluster.ts';
import type { Fragments, Machine } from './fragments.ts';

export const POOL = 'default';
export const NAMESPACE = 'load';

const SET_UP_MS = 300_000;
const AT_ONCE = 16;

const applyPool = async (client: KubeClient, budget: string): Promise<NodePool> => {
  await client.request('PATCH', '/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses/default', {
    query: { fieldManager: 'bench', force: 'true' },
    body: kwokNodeClass,
    contentType: 'application/apply-patch+yaml',
  });
  await client.apply(NODE_POOLS, kwokNodePool(POOL, budget), { fieldManager: 'bench', force: true });
  return until(
    'the NodePool ready',
    async () => {
      const pool = await client.get(NODE_POOLS, { name: POOL });
      const isReady = pool.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
      return isReady && pool.metadata.annotations?.['karpenter.sh/nodepool-hash'] ? pool : undefined;
    },
    { timeoutMs: 60_000 },
  );
};

const claimFor = (pool: NodePool, { name, instanceType, zone }: Machine): NodeClaim => {
  const annotations = pool.metadata.annotations ?? {};
  const hashes = ['karpenter.sh/nodepool-hash', 'karpenter.sh/nodepool-hash-version'];
  const only = (key: string, value: string) => ({ key, operator: 'In' as const, values: [value] });
  return {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: {
      name,
      labels: { [KARPENTER_NODEPOOL]: POOL, 'karpenter.kwok.sh/kwoknodeclass': 'default' },
      annotations: Object.fromEntries(hashes.map((key) => [key, annotations[key] ?? ''])),
      ownerReferences: [
        {
          apiVersion: 'karpenter.sh/v1',
          kind: 'NodePool',
          name: POOL,
          uid: pool.metadata.uid ?? '',
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      nodeClassRef: pool.spec.template.spec.nodeClassRef,
      requirements: [
        only(INSTANCE_TYPE, instanceType),
        only(ZONE, zone),
        only(KARPENTER_CAPACITY_TYPE, 'on-demand'),
        only('kubernetes.io/arch', 'amd64'),
        only('kubernetes.io/os', 'linux'),
      ],
      resources: { requests: { cpu: '1' } },
      expireAfter: 'Never',
    },
  };
};

const orderMachines = async (client: KubeClient, pool: NodePool, { machines }: Fragments) => {
  await forEach(machines, (machine) => client.create(NODE_CLAIMS, claimFor(pool, machine)), AT_ONCE);
  const names = machines.map(({ name }) => name);
  const claims = await machinesReady(client, names, SET_UP_MS);
  return new Map(claims.map((claim) => [claim.metadata.name, claim.status?.nodeName ?? '']));
};

/** The pods of each Deployment, once its ReplicaSet has made them all. */
const podsOf = async (client: KubeClient, { workloads }: Fragments): Promise<Map<string, Pod[]>> => {
  const count = workloads.reduce((sum, { replicas }) => sum + replicas, 0);
  const items = await until(
    `${count} pods made`,
    async () => {
      const { items } = await client.list(PODS, { namespace: NAMESPACE });
      return items.length === count ? items : undefined;
    },
    { timeoutMs: SET_UP_MS, everyMs: 500 },
  );
  return Map.groupBy(items, (pod) => pod.metadata.labels?.app ?? '');
};

const bind = (client: KubeClient, pod: Pod, node: string): Promise<unknown> =>
  client.request('POST', `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name}/binding`, {
    body: {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: pod.metadata.name },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    },
  });

/**
 * Makes the cluster: machines from Karpenter, Deployments, and each pod bound where the fragments say, with neither
 * Karpenter nor a scheduler there to think otherwise. Both are back, and everything runs, when it returns. `budget` is
 * what the NodePool lets anyone disrupt at once.
 */
export const setScene = async (
  ground: Ground,
  client: KubeClient,
  fragments: Fragments,
  budget: string,
): Promise<void> => {
  const pool = await applyPool(client, budget);
  const nodeOf = await orderMachines(client, pool, fragments);
  const resume = [await suspend(ground, 'karpenter'), await suspend(ground, 'scheduler')];
  await createNamespace(client, NAMESPACE);
  await forEach(
    fragments.workloads,
    ({ name, cpu, memory, replicas }) =>
      applyDeployment(client, {
        namespace: NAMESPACE,
        pool: POOL,
        name,
        replicas,
        cpu: `${cpu}m`,
        memory: `${memory}Mi`,
      }),
    AT_ONCE,
  );
  const waiting = await podsOf(client, fragments);
  const bindings = fragments.machines.flatMap(({ name, pods }) =>
    [...pods].flatMap(([app, count]) =>
      (waiting.get(app) ?? []).splice(0, count).map((pod) => ({ pod, node: nodeOf.get(name) ?? '' })),
    ),
  );
  await forEach(bindings, ({ pod, node }) => bind(client, pod, node), AT_ONCE);
  await podsRunning(client, NAMESPACE, bindings.length, SET_UP_MS);
  for (const start of resume) start();
  await karpenterReady(ground);
};
