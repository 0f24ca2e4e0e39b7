import t from 'tap';
import { AUTOSCALER_POLICY } from '../api/kinds/autoscalerpolicy.ts';
import * as labels from '../api/labels.ts';
import { isFinished } from '../api/plans.ts';
import { AUTOSCALER_POLICIES, NODE_CLAIMS, NODE_POOLS, PODS, REBALANCE_PLANS } from '../api/resources.ts';
import { ignoreNotFound } from '../kube/ignore.ts';
import { until } from '../kube/testing/until.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { applyDeployment, isRunning } from './support/workload.ts';

/** Bursts of pods that lack room, in a NodePool for plans alone beside Karpenter: bought for once, bound early, running. */

const BURSTS = 3;
const REPLICAS = 6;

t.test('bursts of pods that lack room are bought for by plans alone, and none twice', (t) =>
  onStage(
    t,
    { name: 'unscheduled', machines: 1, deployments: 1, replicas: 1 },
    async ({ client, name, machines }) => {
      const ref = { name: AUTOSCALER_POLICY };
      // Karpenter's provisioner sees the pods, and can't use this NodePool.
      const alone = {
        metadata: { annotations: { [labels.PLANS_ONLY]: 'true' } },
        spec: { limits: { cpu: '0' } },
      };
      await client.patch(NODE_POOLS, { name }, alone);
      try {
        await client.create(AUTOSCALER_POLICIES, {
          metadata: ref,
          spec: { enabled: true, unschedulablePods: { enabled: true } },
        });
        await until(
          'the policy is in force',
          async () => {
            const { status } = await client.get(AUTOSCALER_POLICIES, ref);
            if (!status?.active?.includes('unschedulablePods')) throw new Error(JSON.stringify(status));
            return true;
          },
          { timeoutMs: 60_000, everyMs: 200 },
        );
        const seen = await witness(client, name);
        t.teardown(() => seen.stop());
        for (let burst = 1; burst <= BURSTS; burst += 1) {
          await applyDeployment(client, {
            namespace: name,
            name: `burst-${burst}`,
            replicas: REPLICAS,
            cpu: '900m',
            memory: '512Mi',
            pool: name,
          });
          await until(
            `the pods of burst ${burst} run`,
            async () => {
              const { items } = await client.list(PODS, {
                namespace: name,
                labelSelector: `app=burst-${burst}`,
              });
              const running = items.filter(isRunning).length;
              if (running < REPLICAS) {
                const plans = (await client.list(REBALANCE_PLANS)).items.map(
                  ({ metadata, status }) =>
                    `${metadata.name} ${status?.state} ${status?.failureMessage ?? ''}`,
                );
                throw new Error(`${running} of ${items.length} pods run; plans: ${plans.join(', ')}`);
              }
              return true;
            },
            { timeoutMs: 180_000, everyMs: 300 },
          );
        }
        await until(
          'all plans have ended',
          async () => {
            const plans = (await client.list(REBALANCE_PLANS)).items;
            const open = plans.filter((plan) => !isFinished(plan));
            if (open.length > 0)
              throw new Error(open.map(({ metadata, status }) => `${metadata.name} ${status?.state}`).join());
            return true;
          },
          { timeoutMs: 180_000, everyMs: 300 },
        );
        const { items: plans } = await client.list(REBALANCE_PLANS);
        const planned = plans.flatMap(({ spec }) => spec.nodeClaimsToAdd ?? []).length;
        const { items: claims } = await client.list(NODE_CLAIMS, {
          labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}`,
        });
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
        t.ok(seen.boundEarly.size > 0, 'pods were bound before their machines joined');
        t.same([...seen.failed], [], 'no pod was in phase Failed at any time');
      } finally {
        await client.delete(AUTOSCALER_POLICIES, ref).catch(ignoreNotFound);
      }
    },
  ),
);
