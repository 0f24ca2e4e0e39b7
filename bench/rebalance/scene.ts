import type { NodePool, Pod } from '../../api/objects.ts';
import { NODE_POOLS, PODS } from '../../api/resources.ts';
import type { Ground } from '../../e2e/ground/ground.ts';
import { karpenterReady } from '../../e2e/ground/kwok/kwok.ts';
import { kwokNodeClass, kwokNodePool } from '../../e2e/ground/kwok/nodepool.ts';
import { suspend } from '../../e2e/ground/suspend.ts';
import { applyDeployment, createNamespace, podsRunning } from '../../e2e/support/workload.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { forEach } from '../support/cluster.ts';
import type { Fragments } from './fragments.ts';
import { makeMachines, nodeNameOf } from './machines.ts';

export const POOL = 'default';
export const NAMESPACE = 'load';

/** Time for each step of setting the scene, by default. */
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

/** The pods of each Deployment, once its ReplicaSet has created them all. */
const podsOf = async (
  client: KubeClient,
  { workloads }: Fragments,
  timeoutMs: number,
): Promise<Map<string, Pod[]>> => {
  const count = workloads.reduce((sum, { replicas }) => sum + replicas, 0);
  const items = await until(
    `${count} pods made`,
    async () => {
      const { items } = await client.list(PODS, { namespace: NAMESPACE });
      return items.length === count ? items : undefined;
    },
    { timeoutMs, everyMs: 500 },
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
 * Builds the cluster: machines, Deployments, and each pod bound where the fragments say, while Karpenter and scheduler
 * are stopped. Both run again when it returns; `budget` is the NodePool's disruption budget.
 */
export const setScene = async (
  ground: Ground,
  client: KubeClient,
  o: {
    readonly fragments: Fragments;
    readonly catalogue: Catalogue;
    readonly budget: string;
    readonly stepMs?: number;
  },
): Promise<void> => {
  const { fragments, catalogue, budget, stepMs = SET_UP_MS } = o;
  const pool = await applyPool(client, budget);
  const resume = [await suspend(ground, 'karpenter'), await suspend(ground, 'scheduler')];
  await makeMachines(client, pool, catalogue, fragments.machines, stepMs);
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
  const waiting = await podsOf(client, fragments, stepMs);
  const bindings = fragments.machines.flatMap((machine) =>
    [...machine.pods].flatMap(([app, count]) =>
      (waiting.get(app) ?? []).splice(0, count).map((pod) => ({ pod, node: nodeNameOf(machine) })),
    ),
  );
  await forEach(bindings, ({ pod, node }) => bind(client, pod, node), AT_ONCE);
  await podsRunning(client, NAMESPACE, bindings.length, stepMs);
  for (const start of resume) start();
  await karpenterReady(ground);
};
