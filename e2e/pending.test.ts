import t from 'tap';
import type { NodeClaimToAdd, RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import * as labels from '../api/labels.ts';
import type { NodePool, Pod } from '../api/objects.ts';
import { isUnschedulable } from '../api/pods.ts';
import { NODE_CLAIMS, PODS, REBALANCE_PLANS } from '../api/resources.ts';
import { until } from '../kube/testing/until.ts';
import { NO_FAULTS } from './ground/aws/faults.ts';
import { planReaches } from './support/claim.ts';
import { controlOf } from './support/components.ts';
import { onStage, type Stage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { applyDeployment, podsRunning } from './support/workload.ts';

const JOIN_MS = 15_000;
/** Rounds on one ground, and bursts of a round with a plan each; the soak makes 200 plans. */
const [ROUNDS, BURSTS] = process.env.SOAK ? [25, 8] : [1, 4];

const orderFor = (pool: NodePool, name: string): NodeClaimToAdd => {
  const hash = pool.metadata.annotations ?? {};
  return {
    metadata: {
      name,
      labels: {
        [labels.KARPENTER_NODEPOOL]: pool.metadata.name,
        'karpenter.k8s.aws/ec2nodeclass': 'default',
      },
      annotations: {
        [labels.KARPENTER_NODEPOOL_HASH]: hash[labels.KARPENTER_NODEPOOL_HASH] ?? '',
        [labels.KARPENTER_NODEPOOL_HASH_VERSION]: hash[labels.KARPENTER_NODEPOOL_HASH_VERSION] ?? '',
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
  };
};

/** A plan by hand: one machine, and the waiting pods of one burst on it. */
const planFor = (pool: NodePool, burst: string, waiting: readonly Pod[]): RebalancePlan => ({
  apiVersion: 'autoscaling.cast.ai/v1alpha',
  kind: 'RebalancePlan',
  metadata: { name: burst },
  spec: {
    execute: true,
    nodeClaimsToAdd: [orderFor(pool, `${burst}-new`)],
    podsToMigrate: waiting.map((pod) => {
      const owner = pod.metadata.ownerReferences?.[0];
      return {
        name: pod.metadata.name,
        namespace: pod.metadata.namespace ?? '',
        srcNode: '',
        dstNodeClaimName: `${burst}-new`,
        ...(owner ? { owner: { kind: owner.kind, name: owner.name, uid: owner.uid } } : {}),
      };
    }),
  },
});

type Test = Pick<typeof t, 'equal' | 'match' | 'strictSame' | 'teardown'>;

const round = async (t: Test, { ground, client, name, pool }: Stage): Promise<void> => {
  const bursts = Array.from({ length: BURSTS }, (_, i) => `${name}-burst-${i + 1}`);
  // Karpenter buys for pods a second after they came: it is stopped until our NodeClaims exist, so that it does not
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
  await Promise.all(
    bursts.map((burst) =>
      applyDeployment(client, {
        namespace: name,
        name: burst,
        replicas: 6,
        cpu: '900m',
        memory: '512Mi',
        pool: name,
      }),
    ),
  );
  const unplacedOf = async (burst: string): Promise<Pod[] | undefined> => {
    const { items } = await client.list(PODS, { namespace: name, labelSelector: `app=${burst}` });
    const unplaced = items.filter((p) => p.spec.nodeName === undefined);
    // A pod that kube-scheduler has not tried yet may still find room on the first machine.
    const isSettled = items.length === 6 && unplaced.every(isUnschedulable);
    return isSettled && unplaced.length > 0 ? unplaced : undefined;
  };
  const waiting = await Promise.all(
    bursts.map((burst) =>
      until(
        `six pods of ${burst} created, some of them refused by kube-scheduler for lack of room`,
        () => unplacedOf(burst),
        { timeoutMs: 30_000, everyMs: 50 },
      ),
    ),
  );
  await Promise.all(
    bursts.map((burst, i) => client.create(REBALANCE_PLANS, planFor(pool, burst, waiting[i] ?? []))),
  );
  await until(
    'our NodeClaims',
    () => Promise.all(bursts.map((burst) => client.get(NODE_CLAIMS, { name: `${burst}-new` }))),
    { timeoutMs: 30_000, everyMs: 20 },
  );
  goOn();
  for (const [i, burst] of bursts.entries()) {
    const isEnd = (p: RebalancePlan): boolean => /^(Done|Failed)/.test(p.status?.state ?? '');
    const plan = await planReaches(client, burst, 'Done', isEnd, 180_000);
    t.match(plan.status?.state, /^Done/, plan.status?.failureMessage ?? `the plan of ${burst} is done`);
    const pods = await podsRunning(client, name, 1 + 6 * BURSTS, 60_000);
    const claim = await client.get(NODE_CLAIMS, { name: `${burst}-new` });
    const uids = new Set(waiting[i]?.map((p) => p.metadata.uid));
    const there = pods.filter((p) => uids.has(p.metadata.uid));
    t.equal(there.length, uids.size, 'the same pods, not new ones in their place');
    t.strictSame(
      there.filter((p) => p.spec.nodeName !== claim.status?.nodeName).map((p) => p.metadata.name),
      [],
      'all of them run on the machine that was ordered for them',
    );
    t.strictSame(
      there.filter((p) => !seen.boundEarly.has(p.metadata.uid ?? '')).map((p) => p.metadata.name),
      [],
      'all of them were bound before the kubelet had spoken',
    );
  }
  t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
  const claims = await client.list(NODE_CLAIMS, { labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}` });
  t.equal(claims.items.length, 1 + BURSTS, 'Karpenter bought no second machine for the same pods');
};

for (let n = 1; n <= ROUNDS; n += 1) {
  t.test(
    `pending pods of a plan are bound to the placeholder before its machine joins, and run there, round ${n}`,
    (t) =>
      onStage(t, { name: `pending-${n}`, machines: 1, deployments: 1, replicas: 1 }, (stage) =>
        round(t, stage),
      ),
  );
}
