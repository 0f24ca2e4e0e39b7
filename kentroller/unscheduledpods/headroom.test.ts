import t from 'tap';
import { INSTANCE_TYPE } from '../../api/labels.ts';
import { requirementsOfEach } from '../../api/plans.ts';
import { REBALANCE_PLANS } from '../../api/resources.ts';
import { BUYING, UnscheduledWorld } from '../testing/unscheduledworld.ts';

/** Headroom in cycles: bought beside pods, once, and never in their place. */

const buying = (o: object) =>
  ({ ...BUYING, unschedulablePods: { ...BUYING.unschedulablePods, ...o } }) as typeof BUYING;

t.test('headroom is bought beside pods, and no plan names it', async (t) => {
  const world = new UnscheduledWorld();
  for (let n = 0; n < 40; n += 1) world.addNode(`n-${n}`);
  world.refuse(2);
  const coresOf = (headroom: object | undefined): Promise<number> => {
    const { cycle } = world.process();
    return cycle(buying({ headroom })).then(async (first) => {
      if (first.plans.length === 0) await cycle(buying({ headroom }));
      const [plan] = world.plans();
      const cores = (plan?.status?.savings?.greenNodes ?? []).reduce(
        (sum, { milliCPU }) => sum + milliCPU,
        0,
      );
      t.same((plan?.spec.podsToMigrate ?? []).map(({ name }) => name).sort(), ['p-0', 'p-1']);
      if (plan) world.api.delete(REBALANCE_PLANS, { name: plan.metadata.name });
      world.now += 1_000;
      return cores;
    });
  };
  const without = await coresOf(undefined);
  // Forty nodes of 0.1 cores: 100 % are 4.1 cores more.
  const beside = await coresOf({ cpuPercentage: 100, memoryPercentage: 0 });
  t.ok(beside >= without + 4_000, `${beside} and ${without} millicores`);
});

t.test('headroom is bought once, however many purchases are under way', async (t) => {
  const world = new UnscheduledWorld();
  for (let n = 0; n < 40; n += 1) world.addNode(`n-${n}`);
  const policies = buying({ headroom: { cpuPercentage: 100, memoryPercentage: 0 } });
  const { cycle } = world.process();
  for (const prefix of ['first', 'second']) {
    world.refuse(1, { prefix });
    await cycle(policies);
    await cycle(policies);
    world.now += 1_000;
  }
  const cores = world
    .plans()
    .map(({ status }) =>
      (status?.savings?.greenNodes ?? []).reduce((sum, { milliCPU }) => sum + milliCPU, 0),
    );
  t.same(cores, [6_000, 2_000]);
});

t.test('headroom takes no room of pods where the cluster is near its limit', async (t) => {
  const world = new UnscheduledWorld();
  for (let n = 0; n < 40; n += 1) world.addNode(`n-${n}`);
  world.refuse(3);
  const policies = {
    ...buying({ headroom: { cpuPercentage: 200, memoryPercentage: 0 } }),
    // 4.1 cores are there.
    clusterLimits: { minCores: 0, maxCores: 9 },
  };
  const { cycle } = world.process();
  await cycle(policies);
  await cycle(policies);
  t.same([...world.places().values()], [1, 1, 1]);
  t.same(world.events, []);
});

t.test('seed 002: headroom and node constraints hold together', async (t) => {
  const world = new UnscheduledWorld();
  for (let n = 0; n < 40; n += 1) world.addNode(`n-${n}`);
  world.refuse(5);
  const policies = buying({
    headroom: { cpuPercentage: 100, memoryPercentage: 0 },
    nodeConstraints: { minCpuCores: 4, maxCpuCores: 4, minRamMib: 16_384, maxRamMib: 32_768 },
  });
  const { cycle } = world.process();
  await cycle(policies);
  await cycle(policies);
  const [plan, ...others] = world.plans();
  t.same(others, []);
  t.same([...world.places().values()], Array(5).fill(1));
  const claims = plan?.spec.nodeClaimsToAdd ?? [];
  const types = claims
    .flatMap(requirementsOfEach)
    .flatMap((requirements) => requirements.filter(({ key }) => key === INSTANCE_TYPE))
    .flatMap(({ values = [] }) => values);
  t.same([...new Set(types)].sort(), ['m5.xlarge', 'r5.xlarge'], 'in every attempt of every claim');
  // 4.5 cores for pods and 4.1 of headroom, on machines that give 3.9.
  t.equal(claims.length, 3);
});
