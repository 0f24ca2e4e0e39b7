import t from 'tap';
import { AWAITS_PLAN, MANAGED_BY, MANAGED_BY_US, SCOPED_TAINT } from '../../api/labels.ts';
import type { HorizontalPodAutoscaler, PodSpec } from '../../api/objects.ts';
import { PODS, REBALANCE_PLANS, REPLICA_SETS, WORKLOADS } from '../../api/resources.ts';
import { KubeError } from '../../kube/errors.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { BUYING, UnscheduledWorld } from '../testing/unscheduledworld.ts';

/** Replicas that HorizontalPodAutoscalers are about to add are counted before nodes are sized. */

const COUNTED = { ...BUYING, horizontalPodAutoscaler: true };
const { Deployment: DEPLOYMENTS } = WORKLOADS;
if (!DEPLOYMENTS) throw new Error('Deployments are no workloads');
const container = (cpu: string) => ({
  name: 'main',
  resources: { requests: { cpu, memory: '512Mi' } },
});

interface Step {
  readonly current: number;
  readonly desired: number;
  readonly kind?: string;
  readonly max?: number;
  readonly active?: 'True' | 'False';
}
const autoscaler = ({ current, desired, kind = 'Deployment', max = 50, active = 'True' }: Step) =>
  ({
    metadata: { name: 'web', namespace: 'default' },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind, name: 'web' }, maxReplicas: max },
    status: {
      currentReplicas: current,
      desiredReplicas: desired,
      conditions: [{ type: 'ScalingActive', status: active, reason: 'x' }],
    },
  }) as HorizontalPodAutoscaler;

/** A world with a Deployment, its ReplicaSet, and an autoscaler that has asked for a step. */
const worldWith = (step: Step, template: Partial<PodSpec> = {}): UnscheduledWorld => {
  const world = new UnscheduledWorld();
  const meta = { name: 'web', namespace: 'default' };
  const spec = {
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [container('900m')], ...template },
    },
  };
  const deployment = world.api.create(DEPLOYMENTS, typed(DEPLOYMENTS, { metadata: meta, spec }));
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: 'web',
    uid: deployment.metadata.uid,
    controller: true,
  };
  for (const [name, replicas] of [
    ['web-old', 0],
    ['web-1', step.current],
  ] as const) {
    world.now += 1_000;
    const metadata = { name, namespace: 'default', ownerReferences: [owner] };
    world.api.create(REPLICA_SETS, typed(REPLICA_SETS, { metadata, spec: { replicas } }));
  }
  world.autoscalers = [autoscaler(step)];
  return world;
};
/** Replicas of the Deployment that kube-scheduler has just refused. */
const refuseReplicas = (
  world: UnscheduledWorld,
  count: number,
  prefix: string,
  spec: Partial<PodSpec> = {},
): void => {
  const { uid = '' } = world.api.get(REPLICA_SETS, { name: 'web-1', namespace: 'default' }).metadata;
  const controller = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid, controller: true };
  world.refuse(count, { prefix, spec, owners: [controller] });
};
const cores = (world: UnscheduledWorld): number =>
  world
    .plans()
    .flatMap(({ status }) => status?.savings?.greenNodes ?? [])
    .reduce((sum, { milliCPU }) => sum + milliCPU, 0);

t.test(
  'one purchase serves the step, and its other replicas are not bought for when they come',
  async (t) => {
    const world = worldWith({ current: 2, desired: 9 });
    refuseReplicas(world, 2, 'first');
    const { cycle } = world.process();
    const outcome = await cycle(COUNTED);
    await cycle(COUNTED);
    t.equal(world.plans().length, 1);
    t.ok(cores(world) >= 9 * 900, `${cores(world)} millicores for nine replicas`);
    const [plan] = world.plans();
    t.same(
      plan?.spec.podsToMigrate?.map(({ name }) => name).sort(),
      ['first-0', 'first-1'],
      'no plan names a pod that is not there',
    );
    t.match(plan?.status?.expectedPods, [
      { namespace: 'default', owner: { kind: 'ReplicaSet', name: 'web-1' }, count: 7 },
    ]);
    t.match(outcome.message, /for 2 pods and 7 replicas to come/);
    world.now += 1_000;
    refuseReplicas(world, 7, 'next');
    // Another leader knows it, too.
    const next = world.process();
    for (let n = 0; n < 3; n += 1) {
      await next.cycle(COUNTED);
      world.now += 2_000;
    }
    t.equal(world.plans().length, 1, 'nothing is bought again');
    t.equal(world.held().length, 9, 'and Karpenter buys nothing for them');
    refuseReplicas(world, 1, 'beyond');
    await next.cycle(COUNTED);
    await next.cycle(COUNTED);
    t.equal(world.plans().length, 2, 'one more than the step is');
  },
);

t.test('replicas that a purchase has room for are not counted by the next one', async (t) => {
  const world = worldWith({ current: 2, desired: 9 });
  refuseReplicas(world, 2, 'first');
  const { cycle } = world.process();
  await cycle(COUNTED);
  await cycle(COUNTED);
  world.now += 1_000;
  refuseReplicas(world, 3, 'next');
  world.refuse(1, { prefix: 'other' });
  await cycle(COUNTED);
  await cycle(COUNTED);
  const counts = () => world.plans().map(({ status }) => status?.expectedPods?.[0]?.count ?? 0);
  t.same(counts(), [7, 0]);
  world.now += 1_000;
  world.autoscalers = [autoscaler({ current: 9, desired: 14 })];
  world.refuse(1, { prefix: 'another' });
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.same(counts(), [7, 0, 5], 'the next step is');
});

t.test('zero to n is one purchase beside pods that wait', async (t) => {
  const world = worldWith({ current: 0, desired: 6 });
  world.refuse(1, { prefix: 'other' });
  const { cycle } = world.process();
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.match(world.plans(), [{ status: { expectedPods: [{ owner: { name: 'web-1' }, count: 6 }] } }]);
  t.ok(cores(world) >= 7 * 900, `${cores(world)} millicores`);
});

t.test('replicas that are no pods yet buy nothing by themselves', async (t) => {
  const world = worldWith({ current: 0, desired: 6 });
  const { cycle } = world.process();
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.same(world.plans(), []);
});

/** Sentence, what the autoscaler says, what its template has beside; nothing is expected of any. */
const OUT: readonly (readonly [string, Step, Partial<PodSpec>?])[] = [
  ['with stale metrics the autoscaler stays out', { current: 2, desired: 9, active: 'False' }],
  ['at its maximum it stays out', { current: 2, desired: 9, max: 2 }],
  ['one that wants fewer replicas stays out', { current: 9, desired: 2 }],
  ['replicas of another scheduler are not counted', { current: 2, desired: 9 }, { schedulerName: 'volcano' }],
  ['gated replicas are not counted', { current: 2, desired: 9 }, { schedulingGates: [{ name: 'x' }] }],
  [
    "replicas with preemptionPolicy Never are Karpenter's",
    { current: 2, desired: 9 },
    { preemptionPolicy: 'Never' },
  ],
];
for (const [says, step, template] of OUT) {
  t.test(says, async (t) => {
    const world = worldWith(step, template);
    refuseReplicas(world, 2, 'first');
    const { cycle } = world.process();
    await cycle(COUNTED);
    await cycle(COUNTED);
    t.match(world.plans(), [{ status: { expectedPods: undefined } }]);
    t.equal(world.places().size, 2);
  });
}

t.test('in scoped mode only replicas in scope are counted', async (t) => {
  const scope = {
    nodeSelector: { [MANAGED_BY]: MANAGED_BY_US },
    tolerations: [{ key: SCOPED_TAINT, operator: 'Exists' as const }],
  };
  for (const [template, count] of [
    [{}, undefined],
    [scope, 7],
  ] as const) {
    const world = worldWith({ current: 2, desired: 9 }, template);
    refuseReplicas(world, 2, 'first', scope);
    const { cycle } = world.process();
    await cycle({ ...COUNTED, scopedMode: true });
    await cycle({ ...COUNTED, scopedMode: true });
    const [plan, ...others] = world.plans();
    t.same(others, []);
    t.equal(plan?.status?.expectedPods?.[0]?.count, count);
  }
});

t.test('beyond the limit of the cluster pods come before replicas to come', async (t) => {
  const world = worldWith({ current: 4, desired: 40 });
  refuseReplicas(world, 4, 'first');
  const { cycle } = world.process();
  const limited = { ...COUNTED, clusterLimits: { minCores: 0, maxCores: 9 } };
  await cycle(limited);
  await cycle(limited);
  t.equal(world.places().size, 4, 'each pod has its place');
  t.match(world.plans(), [{ status: { expectedPods: undefined } }]);
  t.same(world.events, [], 'and nobody is told of pods that are not there');
});

t.test('a template that may not be read is not counted, and pods are bought for', async (t) => {
  const world = worldWith({ current: 2, desired: 9 });
  refuseReplicas(world, 2, 'first');
  const client = memoryClient(world.api, async (call, serve) => {
    if (call.resource.kind === 'Deployment')
      throw new KubeError('no right', { kind: 'forbidden', status: 403 });
    return serve();
  });
  const { cycle } = world.process(client);
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.match(world.plans(), [{ status: { expectedPods: undefined } }]);
});

t.test('mode single expects the replicas of its one node alone', async (t) => {
  const world = worldWith(
    { current: 2, desired: 9 },
    { nodeSelector: { 'topology.kubernetes.io/zone': 'us-west-2b' } },
  );
  refuseReplicas(world, 2, 'first', { nodeSelector: { 'topology.kubernetes.io/zone': 'us-west-2a' } });
  const single = {
    ...COUNTED,
    unschedulablePods: { ...COUNTED.unschedulablePods, mode: 'single' },
  } as typeof COUNTED;
  const { cycle } = world.process();
  await cycle(single);
  await cycle(single);
  t.match(
    world.plans(),
    [{ status: { expectedPods: undefined } }],
    'they can not be on the node of the pods',
  );
});

t.test('once the plan has ended, replicas that have not come are bought for like others', async (t) => {
  const world = worldWith({ current: 2, desired: 9 });
  refuseReplicas(world, 2, 'first');
  const { cycle } = world.process();
  await cycle(COUNTED);
  await cycle(COUNTED);
  const name = world.plans()[0]?.metadata.name ?? '';
  world.api.patch(REBALANCE_PLANS, { name }, { status: { state: 'Done' } }, { subresource: 'status' });
  for (const pod of ['first-0', 'first-1']) world.api.bind({ name: pod, namespace: 'default' }, 'new');
  world.autoscalers = [];
  world.now += 60_000;
  refuseReplicas(world, 1, 'late');
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.equal(world.plans().length, 2);
  t.equal(
    world.api.get(PODS, { name: 'late-0', namespace: 'default' }).status?.nominatedNodeName,
    AWAITS_PLAN,
  );
});
