import t from 'tap';
import * as labels from '../api/labels.ts';
import { isUnschedulable } from '../api/pods.ts';
import { NODE_CLAIMS, PODS, REBALANCE_PLANS } from '../api/resources.ts';
import { until } from '../kube/testing/until.ts';
import { NO_FAULTS } from './ground/aws/faults.ts';
import { planReaches } from './support/claim.ts';
import { controlOf } from './support/components.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { applyDeployment, podsRunning } from './support/workload.ts';

const JOIN_MS = 15_000;

t.test('pending pods of a plan are bound to the placeholder before its machine joins, and run there', (t) =>
  onStage(
    t,
    { name: 'pending', machines: 1, deployments: 1, replicas: 1 },
    async ({ ground, client, name, pool }) => {
      // Karpenter buys for pods a second after they came: it is stopped until our NodeClaim exists, so that it does not
      // race us.
      const karpenter = ground.processes().find((p) => p.name === 'karpenter');
      if (!karpenter) throw new Error('the ground has no Karpenter');
      const goOn = (): void => void process.kill(karpenter.pid, 'SIGCONT');
      t.teardown(goOn);
      process.kill(karpenter.pid, 'SIGSTOP');
      // Machines take as long as real ones do at their fastest, so that the placeholder comes first on a busy host too.
      const control = controlOf(ground);
      t.teardown(() => control.setFaults({ delays: NO_FAULTS.delays }));
      await control.setFaults({ delays: { joinMs: JOIN_MS } });
      const seen = await witness(client, name);
      t.teardown(() => seen.stop());
      await applyDeployment(client, {
        namespace: name,
        name: 'burst',
        replicas: 6,
        cpu: '900m',
        memory: '512Mi',
        pool: name,
      });
      const waiting = await until(
        'six pods created, some of them refused by kube-scheduler for lack of room',
        async () => {
          const { items } = await client.list(PODS, { namespace: name, labelSelector: 'app=burst' });
          const unplaced = items.filter((p) => p.spec.nodeName === undefined);
          // A pod that kube-scheduler has not tried yet may still find room on the first machine.
          const isSettled = items.length === 6 && unplaced.every(isUnschedulable);
          return isSettled && unplaced.length > 0 ? unplaced : undefined;
        },
        { timeoutMs: 30_000, everyMs: 50 },
      );
      const hash = pool.metadata.annotations ?? {};
      await client.create(REBALANCE_PLANS, {
        apiVersion: 'autoscaling.cast.ai/v1alpha',
        kind: 'RebalancePlan',
        metadata: { name },
        spec: {
          execute: true,
          nodeClaimsToAdd: [
            {
              metadata: {
                name: `${name}-new`,
                labels: {
                  [labels.KARPENTER_NODEPOOL]: name,
                  'karpenter.k8s.aws/ec2nodeclass': 'default',
                },
                annotations: {
                  [labels.KARPENTER_NODEPOOL_HASH]: hash[labels.KARPENTER_NODEPOOL_HASH] ?? '',
                  [labels.KARPENTER_NODEPOOL_HASH_VERSION]:
                    hash[labels.KARPENTER_NODEPOOL_HASH_VERSION] ?? '',
                },
              },
              spec: {
                nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
                expireAfter: 'Never',
                requirements: [
                  { key: labels.INSTANCE_TYPE, operator: 'In', values: ['m5.2xlarge'] },
                  { key: labels.KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['on-demand'] },
                  { key: labels.ARCH, operator: 'In', values: ['amd64'] },
                  { key: labels.OS, operator: 'In', values: ['linux'] },
                ],
                resources: { requests: { cpu: '3', memory: '2Gi' } },
              },
            },
          ],
          podsToMigrate: waiting.map((pod) => {
            const owner = pod.metadata.ownerReferences?.[0];
            return {
              name: pod.metadata.name,
              namespace: name,
              srcNode: '',
              dstNodeClaimName: `${name}-new`,
              ...(owner ? { owner: { kind: owner.kind, name: owner.name, uid: owner.uid } } : {}),
            };
          }),
        },
      });
      await until('our NodeClaim', () => client.get(NODE_CLAIMS, { name: `${name}-new` }), {
        timeoutMs: 30_000,
        everyMs: 20,
      });
      goOn();
      const plan = await planReaches(
        client,
        name,
        'Done',
        (p) => /^(Done|Failed)/.test(p.status?.state ?? ''),
        180_000,
      );
      t.match(plan.status?.state, /^Done/, plan.status?.failureMessage ?? 'the plan is done');
      const pods = await podsRunning(client, name, 7, 60_000);
      const claim = await client.get(NODE_CLAIMS, { name: `${name}-new` });
      const names = waiting.map((p) => p.metadata.name);
      const there = pods.filter((p) => names.includes(p.metadata.name));
      t.equal(there.length, waiting.length, 'the same pods, not new ones in their place');
      t.ok(
        there.every((p) => p.spec.nodeName === claim.status?.nodeName),
        'all of them run on the machine that was ordered for them',
      );
      t.ok(
        there.every((p) => seen.boundEarly.has(p.metadata.uid ?? '')),
        'all of them were bound before the kubelet had spoken',
      );
      t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
      const claims = await client.list(NODE_CLAIMS, {
        labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}`,
      });
      t.equal(claims.items.length, 2, 'Karpenter bought no second machine for the same pods');
    },
  ),
);
