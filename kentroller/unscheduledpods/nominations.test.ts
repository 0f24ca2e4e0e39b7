import t from 'tap';
import { AWAITS_PLAN, KARPENTER_NODEPOOL, PLANS_ONLY } from '../../api/labels.ts';
import { PODS } from '../../api/resources.ts';
import { makePool } from '../../planner/testing/builders.ts';
import { BUYING, UnscheduledWorld } from '../testing/unscheduledworld.ts';
import { keepHolds } from './keepholds.ts';

/** Nominations that others write, keep or take off meanwhile. */

const nominate = (world: UnscheduledWorld, name: string, nominatedNodeName: string | null): void => {
  const status = { nominatedNodeName };
  world.api.patch(PODS, { name, namespace: 'default' }, { status }, { subresource: 'status' });
};
const nominations = (world: UnscheduledWorld): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(
    world
      .pods()
      .filter(({ spec }) => !spec.nodeName)
      .map(({ metadata, status }) => [metadata.name, status?.nominatedNodeName]),
  );

t.test('a nomination that kube-scheduler has written meanwhile is not overwritten', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(2);
  const { cycle, options } = world.process();
  const pods = options.caches.pods as unknown as { relist(): void };
  pods.relist();
  // It preempts others on this node for the pod, and our cache does not show it yet.
  nominate(world, 'p-0', 'full');
  await cycle(BUYING, { isLagging: true });
  t.same(nominations(world), { 'p-0': 'full', 'p-1': AWAITS_PLAN });
});

t.test('a nomination that the pod pinner has written meanwhile is not taken off', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(1);
  world.addNode('free', 3_900);
  const { cycle } = world.process();
  world.whileSearching = () => nominate(world, 'p-0', 'free');
  await cycle();
  await cycle();
  t.equal(world.requests.length, 1);
  t.same(nominations(world), { 'p-0': 'free' }, 'the pod was to be left to others');
});

t.test('a pod whose plan is under way is nominated again, by a new leader too', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(2);
  const { cycle } = world.process();
  await cycle();
  await cycle();
  t.equal(world.plans().length, 1);
  nominate(world, 'p-1', null);
  await world.process().cycle();
  t.same(nominations(world), { 'p-0': AWAITS_PLAN, 'p-1': AWAITS_PLAN });
});

t.test('a pod in the place of one that is gone keeps its nomination', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(2);
  const { cycle, options, memory } = world.process();
  const pods = options.caches.pods as unknown as { relist(): void };
  await cycle();
  await cycle();
  world.api.delete(PODS, { name: 'p-0', namespace: 'default' });
  world.refuse(1, { prefix: 'again' });
  await cycle();
  t.equal(world.plans().length, 1);
  t.equal(nominations(world)['again-0'], AWAITS_PLAN);
  const stop = keepHolds(options, memory, () => true);
  pods.relist();
  nominate(world, 'again-0', null);
  pods.relist();
  await new Promise(setImmediate);
  t.equal(nominations(world)['again-0'], AWAITS_PLAN, 'at once');
  stop();
});

t.test('a nomination that the API server has kept is made whole again at once', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(2);
  const { cycle, options, memory } = world.process();
  const pods = options.caches.pods as unknown as { relist(): void };
  await cycle();
  const stop = keepHolds(options, memory, () => true);
  pods.relist();
  nominate(world, 'p-0', `${AWAITS_PLAN}.1`);
  nominate(world, 'p-1', `${AWAITS_PLAN}.2`);
  pods.relist();
  await new Promise(setImmediate);
  t.same(nominations(world), { 'p-0': AWAITS_PLAN, 'p-1': AWAITS_PLAN });
  stop();
  nominate(world, 'p-0', `${AWAITS_PLAN}.2`);
  world.now += 2_000;
  await cycle();
  t.same(nominations(world), { 'p-0': AWAITS_PLAN, 'p-1': AWAITS_PLAN }, 'by the next cycle, too');
  await cycle();
  t.same([...world.places().values()], [1, 1]);
});

t.test('a pod that the API server has nominated and that is nobody of ours is given back', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(1, { spec: { schedulerName: 'of-somebody-else' } });
  world.refuse(1, { prefix: 'ours' });
  nominate(world, 'p-0', AWAITS_PLAN);
  const { cycle } = world.process();
  await cycle();
  t.same(nominations(world), { 'p-0': undefined, 'ours-0': AWAITS_PLAN });
  // One that no node helps is not held either, whoever nominated it.
  world.refuse(1, { prefix: 'huge', cpu: 900_000 });
  nominate(world, 'huge-0', AWAITS_PLAN);
  for (let n = 0; n < 4; n += 1) {
    await cycle();
    world.now += 1_000;
  }
  t.equal(nominations(world)['huge-0'], undefined);
});

t.test('a pod whose nomination kube-scheduler never takes off is left to Karpenter', async (t) => {
  const pool = makePool('alone');
  const alone = {
    ...pool,
    metadata: { ...pool.metadata, annotations: { ...pool.metadata.annotations, [PLANS_ONLY]: 'true' } },
    spec: { ...pool.spec, limits: { cpu: '0' } },
  };
  const world = new UnscheduledWorld([makePool(), alone]);
  const spec = { preemptionPolicy: 'Never' };
  world.refuse(1, { spec });
  world.refuse(1, { prefix: 'alone', spec: { ...spec, nodeSelector: { [KARPENTER_NODEPOOL]: 'alone' } } });
  const { cycle } = world.process();
  for (let n = 0; n < 3; n += 1) {
    await cycle();
    world.now += 1_000;
  }
  t.same(
    nominations(world),
    { 'p-0': undefined, 'alone-0': undefined },
    'neither waits for us when we are gone',
  );
  t.same([...world.places().keys()], ['alone-0'], 'Karpenter can not buy there');
});
