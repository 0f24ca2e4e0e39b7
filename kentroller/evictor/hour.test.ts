import t from 'tap';
import { searchIn } from '../testing/cycles/search.ts';
import { CPU, CycleWorld, NODES, ROOM } from '../testing/cycles/world.ts';
import { runCycle } from './cycle.ts';
import { evictorSettings } from './settings.ts';

/** An hour of virtual time, a cycle a minute, beside a scheduler that spreads and a Karpenter that buys and empties. */

const hour = async (seed: number, cooldown: string, chunks = 0): Promise<CycleWorld> => {
  const world = new CycleWorld(seed);
  world.chunks = chunks;
  const options = searchIn(world, { source: 'evictor', rounds: 20 });
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
