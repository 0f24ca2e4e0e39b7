import t from 'tap';
import { AUTOSCALER_POLICY } from '../api/kinds/autoscalerpolicy.ts';
import { KARPENTER_CAPACITY_TYPE, POD_PINNER_WEBHOOK } from '../api/labels.ts';
import {
  AUTOSCALER_POLICIES,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NODE_CLAIMS,
  NODES,
  PODS,
} from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { ignoreNotFound } from '../kube/ignore.ts';
import { until } from '../kube/testing/until.ts';
import { claimEnded, claimRebalance, planOf } from './support/claim.ts';
import { machinesReady, orderMachine } from './support/fleet.ts';
import { outcomeOf } from './support/outcome.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { applyDeployment, isRunning, podsRunning } from './support/workload.ts';

/** A share of spot per workload, with real Karpenter: its nodes are of both capacity types, and a rebalance keeps the split. */

const REPLICAS = 10;

const long = process.env.SOAK ? {} : { skip: 'SOAK=1 runs it' };

/** Running pods of a Deployment, by the capacity type of their nodes. */
const byCapacityType = async (client: KubeClient, namespace: string, app: string) => {
  const nodes = await client.list(NODES);
  const typeOf = new Map(
    nodes.items.map(({ metadata }) => [metadata.name, metadata.labels?.[KARPENTER_CAPACITY_TYPE] ?? '']),
  );
  const { items } = await client.list(PODS, { namespace, labelSelector: `app=${app}` });
  const types = items.filter(isRunning).map(({ spec }) => typeOf.get(spec.nodeName ?? '') ?? '');
  const count = (type: string): number => types.filter((each) => each === type).length;
  return { spot: count('spot'), onDemand: count('on-demand') };
};

const isAsked = async (client: KubeClient): Promise<boolean> => {
  const found = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: POD_PINNER_WEBHOOK });
  return !JSON.stringify(found.webhooks).includes('spot-rules-are-in-force');
};

t.test(
  '60 % of a Deployment gets spot nodes, the rest on-demand ones, and a rebalance keeps the split',
  long,
  (t) =>
    onStage(
      t,
      {
        name: 'spotpods',
        machines: 0,
        deployments: 0,
        pool: {
          requirements: [{ key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot', 'on-demand'] }],
        },
      },
      async ({ client, name, pool }) => {
        const seen = await witness(client, name);
        t.teardown(() => seen.stop());
        t.notOk(await isAsked(client), 'off by default');
        await client.create(AUTOSCALER_POLICIES, {
          metadata: { name: AUTOSCALER_POLICY },
          spec: {
            enabled: true,
            spotInstances: {
              enabled: true,
              spotPods: { enabled: true, rules: [{ namespaces: [name], percentage: 60 }] },
            },
          },
        });
        t.teardown(() =>
          client.delete(AUTOSCALER_POLICIES, { name: AUTOSCALER_POLICY }).catch(ignoreNotFound),
        );
        await until('the API server asks for sides', () => isAsked(client), { timeoutMs: 60_000 });
        const deploy = (app: string, cpu: string) =>
          applyDeployment(client, {
            namespace: name,
            name: app,
            replicas: REPLICAS,
            cpu,
            memory: '128Mi',
            pool: name,
          });

        await deploy('bought', '200m');
        await podsRunning(client, name, REPLICAS, 180_000);
        t.same(await byCapacityType(client, name, 'bought'), { spot: 6, onDemand: 4 }, 'as Karpenter bought');

        const large = ['spot', 'on-demand'].map((capacityType) => ({
          name: `${name}-${capacityType}`,
          instanceType: 'm5.2xlarge',
          zone: 'us-west-2a',
          capacityType,
        }));
        for (const machine of large) await orderMachine(client, pool, machine);
        await machinesReady(
          client,
          large.map((machine) => machine.name),
          120_000,
        );
        await deploy('moved', '250m');
        await podsRunning(client, name, 2 * REPLICAS, 180_000);
        t.same(await byCapacityType(client, name, 'moved'), { spot: 6, onDemand: 4 });

        const before = new Set(
          (await client.list(PODS, { namespace: name })).items.map((p) => p.metadata.uid),
        );
        await claimRebalance(client, { name: 'spotpods', pool: name });
        const ended = await claimEnded(client, 'spotpods', 300_000);
        t.equal(
          ended.status?.state,
          'Completed',
          ended.status?.errorMessage ?? ended.status?.skippedMessage ?? '',
        );
        const plan = await planOf(client, 'spotpods');
        const pods = await podsRunning(client, name, 2 * REPLICAS, 120_000);
        const moved = pods.filter(({ metadata }) => !before.has(metadata.uid)).length;
        t.ok(moved > 0, `${moved} pods were moved`);
        for (const app of ['bought', 'moved'])
          t.same(
            await byCapacityType(client, name, app),
            { spot: 6, onDemand: 4 },
            `${app}, after the rebalance`,
          );
        const { items } = await client.list(NODE_CLAIMS);
        t.strictSame(outcomeOf(plan, pods, items).missing, [], 'pods run where the plan put them');
        t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
      },
    ),
);
