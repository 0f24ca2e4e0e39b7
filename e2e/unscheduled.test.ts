import { join } from 'node:path';
import tap from 'tap';
import { AUTOSCALER_POLICY } from '../api/kinds/autoscalerpolicy.ts';
import * as labels from '../api/labels.ts';
import { isFinished } from '../api/plans.ts';
import { AUTOSCALER_POLICIES, NODE_CLAIMS, NODE_POOLS, PODS, REBALANCE_PLANS } from '../api/resources.ts';
import { createCache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { createLogger } from '../kube/component/log.ts';
import { ignoreNotFound } from '../kube/ignore.ts';
import { until } from '../kube/testing/until.ts';
import { podOf } from './rights/attempt.ts';
import { onStage, type Stage } from './support/stage.ts';
import { NominationWitness, witness } from './support/witness.ts';
import { applyDeployment, isRunning } from './support/workload.ts';

/** Bursts of pods that lack room, beside Karpenter: bought for once, bound early, running. */

const REPLICAS = 6;
const KEPT = join(import.meta.dirname, '../manifests/components/kept-nominations/policy.yaml');

const turnOn = async (client: KubeClient): Promise<void> => {
  await client.create(AUTOSCALER_POLICIES, {
    metadata: { name: AUTOSCALER_POLICY },
    spec: { enabled: true, unschedulablePods: { enabled: true } },
  });
  await until(
    'the policy is in force',
    async () => {
      const { status } = await client.get(AUTOSCALER_POLICIES, { name: AUTOSCALER_POLICY });
      if (!status?.active?.includes('unschedulablePods')) throw new Error(JSON.stringify(status));
      return true;
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
};

const turnOff = (client: KubeClient): Promise<unknown> =>
  client.delete(AUTOSCALER_POLICIES, { name: AUTOSCALER_POLICY }).catch(ignoreNotFound);

/** Creates pods that lack room, and waits until all of them run. */
const burst = async ({ client, name }: Stage, app: string): Promise<void> => {
  await applyDeployment(client, {
    namespace: name,
    name: app,
    replicas: REPLICAS,
    cpu: '900m',
    memory: '512Mi',
    pool: name,
  });
  await until(
    `the pods of ${app} run`,
    async () => {
      const { items } = await client.list(PODS, { namespace: name, labelSelector: `app=${app}` });
      const running = items.filter(isRunning).length;
      if (running < REPLICAS) {
        const plans = (await client.list(REBALANCE_PLANS)).items.map(
          ({ metadata, status }) => `${metadata.name} ${status?.state} ${status?.failureMessage ?? ''}`,
        );
        throw new Error(`${running} of ${items.length} pods run; plans: ${plans.join(', ')}`);
      }
      return true;
    },
    { timeoutMs: 180_000, everyMs: 300 },
  );
};

/** NodeClaims that were bought for the stage's pods, all of them by plans, as many as these say. */
const boughtByPlansAlone = async (
  t: Pick<typeof tap, 'ok' | 'equal' | 'same'>,
  { client, name, machines }: Stage,
): Promise<void> => {
  await until(
    'all plans have ended',
    async () => {
      const open = (await client.list(REBALANCE_PLANS)).items.filter((plan) => !isFinished(plan));
      if (open.length > 0)
        throw new Error(open.map(({ metadata, status }) => `${metadata.name} ${status?.state}`).join());
      return true;
    },
    { timeoutMs: 180_000, everyMs: 300 },
  );
  const { items: plans } = await client.list(REBALANCE_PLANS);
  const planned = plans.flatMap(({ spec }) => spec.nodeClaimsToAdd ?? []).length;
  const labelSelector = `${labels.KARPENTER_NODEPOOL}=${name}`;
  const { items: claims } = await client.list(NODE_CLAIMS, { labelSelector });
  const bought = claims.filter(({ metadata }) => !machines.includes(metadata.name));
  t.ok(planned > 0);
  t.equal(bought.length, planned, 'as many machines as the plans say');
  t.same(
    bought.filter(({ metadata }) => metadata.labels?.[labels.PLAN] === undefined),
    [],
    'Karpenter bought none',
  );
  const moved = plans.flatMap(({ spec }) => spec.podsToMigrate ?? []).map((pod) => pod.name);
  t.equal(new Set(moved).size, moved.length, 'no pod was bought for twice');
};

tap.test('bursts of pods that lack room are bought for by plans alone, and none twice', (t) =>
  onStage(t, { name: 'unscheduled', machines: 1, deployments: 1, replicas: 1 }, async (stage) => {
    const { client, name } = stage;
    // Karpenter's provisioner sees the pods, and can't use this NodePool.
    const alone = {
      metadata: { annotations: { [labels.PLANS_ONLY]: 'true' } },
      spec: { limits: { cpu: '0' } },
    };
    await client.patch(NODE_POOLS, { name }, alone);
    try {
      await turnOn(client);
      const seen = await witness(client, name);
      t.teardown(() => seen.stop());
      for (const app of ['burst-1', 'burst-2', 'burst-3']) await burst(stage, app);
      await boughtByPlansAlone(t, stage);
      t.ok(seen.boundEarly.size > 0, 'pods were bound before their machines joined');
      t.same([...seen.failed], [], 'no pod was in phase Failed at any time');
    } finally {
      await turnOff(client);
    }
  }),
);

tap.test(
  'in a NodePool that both use, refused pods are nominated at every moment, and bought for once',
  (t) =>
    onStage(t, { name: 'shared', machines: 1, deployments: 1, replicas: 1 }, async (stage) => {
      const { ground, client, name } = stage;
      const watching = new AbortController();
      const log = createLogger({ component: 'suite', level: 'warn' });
      const pods = createCache({ client, log, resource: PODS, namespace: name });
      const seen = new NominationWitness();
      pods.onChange((change) => seen.look(change));
      try {
        await ground.kubectl(['apply', '--server-side', '-f', KEPT]);
        await turnOn(client);
        pods.start(watching.signal);
        await pods.synced(watching.signal);
        // An API server takes seconds to follow a new policy: pods that no node helps tell when it does. kentroller nominates them, too.
        let probes = 0;
        await until(
          'a refused pod is nominated by the admission policy',
          async () => {
            if (seen.nominatedAtOnce.length > 0) return true;
            const spec = { nodeSelector: { nobody: 'has-this' } };
            await client.create(PODS, podOf(name, `probe-${probes++}`, { spec }));
            throw new Error(`none of ${probes} pods was nominated as it was refused`);
          },
          { timeoutMs: 60_000, everyMs: 1_000 },
        );
        for (let i = 0; i < probes; i++)
          await client.delete(PODS, { name: `probe-${i}`, namespace: name }).catch(ignoreNotFound);
        await until('no probe is left', async () => pods.list().length <= 1 || undefined, {
          timeoutMs: 30_000,
          everyMs: 200,
        });
        seen.clear();
        await burst(stage, 'burst');
        await boughtByPlansAlone(t, stage);
        t.ok(seen.refused.length > 0, 'pods of the burst were refused');
        t.same(seen.unheld, [], 'Karpenter saw no pod that it might buy for, at no moment');
      } finally {
        watching.abort(new Error('the test is over'));
        await turnOff(client);
        await ground.kubectl(['delete', '--ignore-not-found', '-f', KEPT]);
      }
    }),
);
