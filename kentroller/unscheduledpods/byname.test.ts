import t from 'tap';
import type { HorizontalPodAutoscaler, ResourceQuota } from '../../api/objects.ts';
import { REPLICA_SETS, RESOURCE_QUOTAS, WORKLOADS } from '../../api/resources.ts';
import { KubeError } from '../../kube/errors.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { PlanningError } from '../rebalanceplanclaim/plannerworker.ts';
import { BUYING, UnscheduledWorld } from '../testing/unscheduledworld.ts';
import { runCycle } from './cycle.ts';

/** What a tenant names, scales or writes into a template keeps nobody else from machines, and buys no more than it may run. */

const COUNTED = { ...BUYING, horizontalPodAutoscaler: true };
type Kind = 'Deployment' | 'StatefulSet';

const autoscaler = (kind: Kind, target: string, desired: number, name = target) =>
  ({
    metadata: { name, namespace: 'default' },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind, name: target }, maxReplicas: 2_000 },
    status: { currentReplicas: 0, desiredReplicas: desired },
  }) as HorizontalPodAutoscaler;

/** A workload of pods with 900m; a Deployment with its ReplicaSet. */
const add = ({ api }: UnscheduledWorld, kind: Kind, name: string): void => {
  const resource = WORKLOADS[kind];
  if (!resource) throw new Error(`no workload is a ${kind}`);
  const containers = [{ name: 'main', resources: { requests: { cpu: '900m', memory: '512Mi' } } }];
  const spec = { template: { metadata: { labels: { app: name } }, spec: { containers } } };
  const made = api.create(resource, typed(resource, { metadata: { name, namespace: 'default' }, spec }));
  if (kind !== 'Deployment') return;
  const owner = { apiVersion: 'apps/v1', kind, name, uid: made.metadata.uid ?? '', controller: true };
  const metadata = { name: `${name}-1`, namespace: 'default', ownerReferences: [owner] };
  api.create(REPLICA_SETS, typed(REPLICA_SETS, { metadata, spec: { replicas: 0 } }));
};
const expectedIn = (world: UnscheduledWorld) =>
  world
    .plans()
    .flatMap(({ status }) => status?.expectedPods ?? [])
    .map(({ owner, count }) => [owner.kind, count])
    .sort();

t.test('a pod of any name and a second autoscaler keep nobody from buying', async (t) => {
  const world = new UnscheduledWorld();
  add(world, 'Deployment', 'web');
  world.autoscalers = [autoscaler('Deployment', 'web', 9), autoscaler('Deployment', 'web', 7, 'second')];
  world.refuse(3, { prefix: 'innocent' });
  world.refuse(2, { prefix: 'web-1-to-come' });
  const { cycle } = world.process();
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.equal(world.places().size, 5, 'each pod has its place');
  t.same(expectedIn(world), [['ReplicaSet', 9]], 'and the target the most that one of them asks for');
});

t.test('replicas of two workloads whose pods have one name are told apart', async (t) => {
  const world = new UnscheduledWorld();
  add(world, 'Deployment', 'web');
  add(world, 'StatefulSet', 'web-1');
  world.autoscalers = [autoscaler('Deployment', 'web', 3), autoscaler('StatefulSet', 'web-1', 3)];
  world.refuse(1, { prefix: 'other' });
  const { cycle } = world.process();
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.same(expectedIn(world), [
    ['ReplicaSet', 3],
    ['StatefulSet', 3],
  ]);
});

t.test('a pod with the name of a chunk of headroom keeps nobody from buying', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(2, { prefix: 'innocent' });
  world.refuse(2, { prefix: 'headroom', namespace: 'kube-system' });
  const { cycle } = world.process();
  const headroom = { cpuPercentage: 500, memoryPercentage: 500 };
  const policies = {
    ...BUYING,
    unschedulablePods: { ...BUYING.unschedulablePods, headroom },
  } as typeof BUYING;
  await cycle(policies);
  await cycle(policies);
  t.equal(world.places().size, 4);
  t.equal(world.requests.length, 1, 'with the headroom');
});

t.test('where no plan can be made with replicas to come, pods are bought for without them', async (t) => {
  for (const fault of ['refused', 'failed'] as const) {
    const world = new UnscheduledWorld();
    add(world, 'Deployment', 'web');
    world.autoscalers = [autoscaler('Deployment', 'web', 3)];
    world.refuse(2);
    const { options, memory } = world.process();
    const provisioning: typeof options.provisioning = async (request, ...rest) => {
      const found = await options.provisioning(request, ...rest);
      if (!request.snapshot.pods.some(({ metadata }) => metadata.name.includes('to-come'))) return found;
      if (fault === 'failed') throw new PlanningError('a quantity can not be read');
      return { ...found, faults: [{ rule: 'DuplicatePod', message: 'The plan moves a pod twice.' }] };
    };
    for (let n = 0; n < 2; n += 1) await runCycle({ ...options, provisioning }, memory, COUNTED);
    t.equal(world.places().size, 2, fault);
  }
});

t.test('no more replicas are bought for than the quotas of their namespace leave', async (t) => {
  const quota = (hard: ResourceQuota['spec'] & object, used: Record<string, string> = {}) => ({
    spec: hard,
    status: { hard: hard.hard ?? {}, used },
  });
  const cases: readonly (readonly [string, ReturnType<typeof quota>[], number])[] = [
    ['none', [], 1_000],
    ['pods', [quota({ hard: { pods: '10' } }, { pods: '3' })], 7],
    ['cpu', [quota({ hard: { 'requests.cpu': '9' } }, { 'requests.cpu': '1800m' })], 8],
    ['memory, the closer of two', [quota({ hard: { pods: '9' } }), quota({ hard: { memory: '2Gi' } })], 4],
    ['what is over', [quota({ hard: { pods: '1' } }, { pods: '3' })], 0],
    ['another scope', [quota({ hard: { pods: '1' }, scopes: ['BestEffort'] })], 1_000],
    ['its scope', [quota({ hard: { pods: '1' }, scopes: ['NotBestEffort', 'NotTerminating'] })], 1],
    ['what can not be read', [quota({ hard: { pods: 'many' } })], 0],
    ['Services', [quota({ hard: { services: '0' } })], 1_000],
  ];
  for (const [says, quotas, count] of cases) {
    const world = new UnscheduledWorld();
    add(world, 'StatefulSet', 'greedy');
    world.autoscalers = [autoscaler('StatefulSet', 'greedy', 2_000)];
    for (const [n, each] of quotas.entries()) {
      const metadata = { name: `quota-${n}`, namespace: 'default' };
      world.api.create(RESOURCE_QUOTAS, typed(RESOURCE_QUOTAS, { metadata, ...each }));
    }
    world.refuse(2);
    const { cycle } = world.process();
    await cycle(COUNTED);
    await cycle(COUNTED);
    t.same(expectedIn(world), count === 0 ? [] : [['StatefulSet', count]], says);
    t.equal(world.places().size, 2);
  }
});

t.test('quotas that may not be read let no replica be counted, and pods are bought for', async (t) => {
  const world = new UnscheduledWorld();
  add(world, 'StatefulSet', 'web');
  world.autoscalers = [autoscaler('StatefulSet', 'web', 9)];
  world.refuse(2);
  const client = memoryClient(world.api, async (call, serve) => {
    if (call.resource.kind === RESOURCE_QUOTAS.kind)
      throw new KubeError('no right', { kind: 'forbidden', status: 403 });
    return serve();
  });
  const { cycle } = world.process(client);
  await cycle(COUNTED);
  await cycle(COUNTED);
  t.same(expectedIn(world), []);
  t.equal(world.places().size, 2);
});
