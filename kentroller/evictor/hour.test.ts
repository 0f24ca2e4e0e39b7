import { Registry } from 'prom-client';
import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import type { PlanSearchOptions } from '../plansearch.ts';
import { countRefusals, verified } from '../rebalanceplanclaim/verified.ts';
import { CPU, CycleWorld, cachesOf, clientOf, NODES, ROOM } from '../testing/cycles/world.ts';
import { runCycle } from './cycle.ts';
import { evictorSettings } from './settings.ts';

/** An hour of virtual time, a cycle a minute, beside a scheduler that spreads and a Karpenter that buys and empties. */

const log = createLogger({ component: 'hour-test', level: 'silent' });

const hour = async (seed: number, cooldown: string, chunks = 0): Promise<CycleWorld> => {
  const world = new CycleWorld(seed);
  world.chunks = chunks;
  const planning: PlanSearchOptions['planning'] = async ({ timeBudgetMs: _, ...request }) =>
    rebalance({ ...request, rounds: 20 });
  const options: PlanSearchOptions = {
    client: clientOf(world),
    caches: cachesOf(world),
    catalogue: async () => machines,
    planning: verified(planning, { source: 'evictor', refusals: countRefusals(new Registry()), log }),
    timeBudgetMs: () => 1_000,
    surgeByDefault: false,
    recorder: { event: () => {}, flush: async () => {} },
    clock: { now: () => world.now },
    signal: new AbortController().signal,
  };
  const settings = evictorSettings(undefined, { evictor: { enabled: true, podEvictionCooldown: cooldown } });
  for (let minute = 0; minute < 60; minute++) {
    world.pass();
    await runCycle(options, settings);
    world.execute('evictor');
  }
  return world;
};

for (const seed of [1, 2, 3]) {
  t.test(
    `within an hour no pod is moved twice, and no node is bought for one that went (seed ${seed})`,
    async (t) => {
      const world = await hour(seed, '1h');
      t.ok(world.removed >= 3, `${world.removed} of ${NODES} nodes went`);
      t.equal(world.bought, 0, 'nothing is bought');
      t.equal(world.mostMoves(), 1, 'no pod is moved twice');
    },
  );
}

t.test('without a cooldown pods are moved again, so the model can show it', async (t) => {
  const worlds = await Promise.all([1, 2, 3].map((seed) => hour(seed, '0s')));
  t.ok(Math.max(...worlds.map((world) => world.mostMoves())) > 1);
});

t.test('nodes that hold the room of a CapacityBuffer stay', async (t) => {
  const world = await hour(1, '0s', 24);
  const most = Math.floor(ROOM / CPU);
  t.ok(world.nodes.size * most >= world.pods.size + world.chunks, `${world.nodes.size} nodes are left`);
  t.ok(world.removed > 0, 'what is not needed goes');
});
