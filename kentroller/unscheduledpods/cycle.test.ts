import t from 'tap';
import { PLANS_ONLY } from '../../api/labels.ts';
import { PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { makePool } from '../../planner/testing/builders.ts';
import { Crashed, crashingClient } from '../testing/crash.ts';
import { BUYING, UnscheduledWorld } from '../testing/unscheduledworld.ts';
import { releaseAll } from './cycle.ts';
import { keepHolds } from './keepholds.ts';

/** Cycles over an API server in memory: nominations, plans, what is told, and a death at each write. */

const buying = (o: object) =>
  ({ ...BUYING, unschedulablePods: { ...BUYING.unschedulablePods, ...o } }) as typeof BUYING;

t.test('pods are nominated before anything is planned, and bought for once', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(6);
  let heldAtSearch = 0;
  world.whileSearching = () => {
    heldAtSearch = world.held().length;
  };
  const { cycle } = world.process();
  const first = await cycle();
  // The cache shows the nominations only now.
  const outcome = first.plans.length > 0 ? first : await cycle();
  t.equal(heldAtSearch, 6);
  t.equal(outcome.pods, 6);
  t.equal(world.plans().length, 1);
  t.same([...world.places().values()], Array(6).fill(1));
  await cycle(BUYING, { isLagging: true });
  t.equal(world.plans().length, 1, 'a cache that does not show the plan yet changes nothing');
  world.now += 1_000;
  world.refuse(3, { prefix: 'q' });
  await cycle();
  await cycle();
  t.equal(world.plans().length, 2, 'the next burst gets its own plan');
  t.same([...world.places().values()], Array(9).fill(1));
});

t.test(
  'a death before or after each write costs no pod its nomination, and buys for none twice',
  async (t) => {
    let deaths = 0;
    for (let at = 0; ; at += 1) {
      const world = new UnscheduledWorld();
      world.refuse(5);
      let writes = 0;
      const isDue = (): boolean => writes++ === at;
      const mortal = world.process(crashingClient(world.client(), isDue, () => {}));
      const live = async (): Promise<boolean> => {
        for (let n = 0; n < 3; n += 1) {
          try {
            await mortal.cycle();
          } catch (error) {
            if (!(error instanceof Crashed)) throw error;
            return false;
          }
        }
        return true;
      };
      if (await live()) break;
      deaths += 1;
      world.now += 500;
      const next = world.process();
      for (let n = 0; n < 8; n += 1) {
        await next.cycle();
        world.now += 1_500;
      }
      const places = world.places();
      t.same([...places.values()], Array(5).fill(1), `death ${at}: each pod has one place`);
      t.equal(world.held().length, 5, `death ${at}: all stay nominated`);
      t.ok(
        world.plans().every(({ spec }) => spec.execute),
        `death ${at}: no plan is left that never began`,
      );
    }
    t.ok(deaths >= 16, `${deaths} deaths`);
  },
);

t.test('a pod that no node helps is left alone, and told so once', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(1, { prefix: 'huge', cpu: 900_000 });
  world.refuse(2);
  const { cycle } = world.process();
  for (let n = 0; n < 4; n += 1) {
    await cycle();
    world.now += 1_000;
  }
  t.same([...world.places().keys()].sort(), ['p-0', 'p-1']);
  t.same([...world.held()].sort(), ['p-0', 'p-1'], 'Karpenter may look at the other');
  t.equal(world.events.length, 1);
  t.match(world.events[0], /^NoNodeWouldHelp huge-0: .*has enough cpu/);
});

t.test('a pod with room on a node that stands is left to kube-scheduler', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(1);
  world.addNode('free', 3_900);
  const { cycle } = world.process();
  await cycle();
  await cycle();
  t.equal(world.requests.length, 1, 'and not looked at again at once');
  t.same(world.plans(), []);
  t.same(world.held(), []);
  t.same(world.events, []);
});

t.test(
  'a plan that would pass maxCores is cut, and the pods that wait are told and stay nominated',
  async (t) => {
    const world = new UnscheduledWorld();
    world.refuse(8);
    const policies = { ...BUYING, clusterLimits: { minCores: 0, maxCores: 5 } };
    const { cycle } = world.process();
    await cycle(policies);
    await cycle(policies);
    const bought = world.places().size;
    t.ok(bought > 0 && bought < 8, `${bought} pods`);
    t.equal(world.held().length, 8, 'Karpenter would pass the limit');
    t.equal(world.events.filter((text) => text.startsWith('ClusterLimitReached')).length, 8 - bought);
    world.now += 11_000;
    await cycle(policies);
    await cycle(policies);
    t.equal(world.places().size, bought, 'machines that are not ordered yet count');
    t.equal(world.plans().length, 1);
    await cycle({ ...BUYING, clusterLimits: { minCores: 0, maxCores: 500 } });
    world.now += 11_000;
    await cycle({ ...BUYING, clusterLimits: { minCores: 0, maxCores: 500 } });
    t.equal(world.places().size, 8, 'a raised limit counts at once');
  },
);

t.test('seed 002: with cluster limits disabled the cluster upscales without a bound', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(40);
  const { cycle } = world.process();
  const limited = { ...BUYING, clusterLimits: { minCores: 0, maxCores: 5 } };
  await cycle(limited);
  await cycle(limited);
  const within = world.places().size;
  t.ok(within > 0 && within < 40, `${within} pods within five cores`);
  world.now += 11_000;
  for (let n = 0; n < 3; n += 1) await cycle({ ...BUYING, clusterLimits: undefined });
  t.same([...world.places().values()], Array(40).fill(1), 'those that were refused before have their place');
});

t.test('mode single buys one node, and the next when it has ended', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(3, { spec: { nodeSelector: { 'topology.kubernetes.io/zone': 'us-west-2a' } }, prefix: 'a' });
  world.refuse(2, { spec: { nodeSelector: { 'topology.kubernetes.io/zone': 'us-west-2b' } }, prefix: 'b' });
  const single = buying({ mode: 'single' });
  const { cycle } = world.process();
  for (let n = 0; n < 3; n += 1) {
    await cycle(single);
    world.now += 1_000;
  }
  const [plan, ...others] = world.plans();
  t.same(others, []);
  t.equal(plan?.spec.nodeClaimsToAdd?.length, 1);
  const first = [...world.places().keys()];
  t.ok(first.length > 0 && first.length < 5, `${first}`);
  t.equal(world.held().length, 5, 'the others wait for their turn');
  const name = plan?.metadata.name ?? '';
  world.api.patch(REBALANCE_PLANS, { name }, { status: { state: 'Done' } }, { subresource: 'status' });
  for (const pod of first) world.api.bind({ name: pod, namespace: 'default' }, 'new');
  await cycle(single);
  t.equal(world.plans().length, 2);
  t.ok(world.places().size > first.length);
});

t.test('seed 002: mode single repeats until every pod that only lacks room has a node', async (t) => {
  const world = new UnscheduledWorld();
  for (const zone of ['a', 'b', 'c']) {
    const nodeSelector = { 'topology.kubernetes.io/zone': `us-west-2${zone}` };
    world.refuse(2, { prefix: zone, spec: { nodeSelector } });
  }
  world.refuse(1, { prefix: 'huge', cpu: 900_000 });
  const { cycle } = world.process();
  for (let n = 0; n < 8; n += 1) {
    await cycle(buying({ mode: 'single' }));
    world.now += 1_000;
    const open = world.plans().filter(({ status }) => status?.state !== 'Done');
    t.ok(open.length <= 1 && open.every(({ spec }) => spec.nodeClaimsToAdd?.length === 1));
    for (const { metadata, spec } of open) {
      const done = { status: { state: 'Done', completionTime: new Date(world.now).toISOString() } };
      world.api.patch(REBALANCE_PLANS, { name: metadata.name }, done, { subresource: 'status' });
      for (const { name } of spec.podsToMigrate ?? []) world.api.bind({ name, namespace: 'default' }, 'new');
    }
  }
  t.equal(world.plans().length, 3);
  t.same([...world.places().keys()].sort(), ['a-0', 'a-1', 'b-0', 'b-1', 'c-0', 'c-1']);
});

t.test('with follow mode, only pods of NodePools for plans alone are bought for', async (t) => {
  const shared = makePool('shared');
  const own = makePool('own');
  const alone = {
    ...own,
    metadata: { ...own.metadata, annotations: { ...own.metadata.annotations, [PLANS_ONLY]: 'true' } },
    spec: { ...own.spec, limits: { cpu: '0' } },
  };
  const world = new UnscheduledWorld([shared, alone]);
  world.followsKarpenter = true;
  world.refuse(2, { prefix: 'any' });
  world.refuse(2, { prefix: 'own', spec: { nodeSelector: { 'karpenter.sh/nodepool': 'own' } } });
  const { cycle } = world.process();
  await cycle();
  await cycle();
  t.same([...world.places().keys()].sort(), ['own-0', 'own-1']);
  t.same([...world.held()].sort(), ['own-0', 'own-1'], 'Karpenter sees the others at once');
  const pools = world
    .plans()
    .flatMap(({ spec }) => spec.nodeClaimsToAdd ?? [])
    .map(({ metadata }) => metadata.labels?.['karpenter.sh/nodepool']);
  t.same([...new Set(pools)], ['own']);
});

t.test('a pod that finds a node during the search is not bought for', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(1);
  const process = world.process();
  await process.cycle({ ...BUYING, clusterLimits: { minCores: 0, maxCores: 0 } });
  world.now += 11_000;
  world.whileSearching = () => {
    world.api.bind({ name: 'p-0', namespace: 'default' }, 'full');
    (process.options.caches.pods as unknown as { relist(): void }).relist();
  };
  await process.cycle();
  t.equal(world.requests.length, 1);
  t.same(world.plans(), []);
});

t.test('pods are given back when the policy is turned off', async (t) => {
  const world = new UnscheduledWorld();
  world.window = { idleMs: 1_000, maxMs: 10_000 };
  world.refuse(3);
  const { cycle, options } = world.process();
  await cycle();
  t.equal(world.held().length, 3);
  (options.caches.pods as unknown as { relist(): void }).relist();
  await releaseAll(options);
  t.equal(world.held().length, 0);
});

t.test(
  'a nomination that kube-scheduler takes off is written again at once, also while a plan is made',
  async (t) => {
    const world = new UnscheduledWorld();
    world.refuse(2);
    const { cycle, options, memory } = world.process();
    let isOn = true;
    const stop = keepHolds(options, memory, () => isOn);
    const pods = options.caches.pods as unknown as { relist(): void };
    const takeOff = (name: string): void => {
      pods.relist();
      const status = { nominatedNodeName: null };
      world.api.patch(PODS, { name, namespace: 'default' }, { status }, { subresource: 'status' });
      pods.relist();
    };
    world.whileSearching = () => takeOff('p-0');
    await cycle();
    await cycle();
    t.same([...world.held()].sort(), ['p-0', 'p-1'], 'during the search');
    t.equal(world.plans().length, 1);
    takeOff('p-1');
    await new Promise(setImmediate);
    t.same(
      [...world.held()].sort(),
      ['p-0', 'p-1'],
      'after the plan was stored, before its machines are ordered',
    );
    isOn = false;
    takeOff('p-1');
    await new Promise(setImmediate);
    t.same(world.held(), ['p-0'], 'not once the policy is off');
    stop();
  },
);
