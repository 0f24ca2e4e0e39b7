import t from 'tap';
import { REMOVAL_DISABLED } from '../../api/labels.ts';
import { mustGet } from '../../api/mustget.ts';
import { searchIn } from '../testing/cycles/search.ts';
import { CycleWorld } from '../testing/cycles/world.ts';
import { runCycle } from './cycle.ts';
import { evictorSettings } from './settings.ts';
import type { Outcome } from './status.ts';

/** Nodes that their users have marked, beside the same nodes without a mark, by the planner itself. */

const cycleIn = (world: CycleWorld): Promise<Outcome> =>
  runCycle(
    searchIn(world, { source: 'evictor', rounds: 20 }),
    evictorSettings(undefined, { evictor: { enabled: true, aggressiveMode: true } }),
  );

for (const [where, how] of [
  ['labels', 'labeled'],
  ['annotations', 'annotated'],
] as const) {
  t.test(`seed 002: the evictor does not evict nodes ${how} removal-disabled`, async (t) => {
    const without = await cycleIn(new CycleWorld(1));
    const gone = without.nodes.map(({ name }) => name);
    t.ok(gone.length > 1, `${gone.length} nodes go without a mark`);
    const world = new CycleWorld(1);
    for (const name of gone) {
      const { node, claim } = mustGet(world.nodes, name, 'node');
      const marks = { ...node.metadata[where], [REMOVAL_DISABLED]: 'true' };
      world.nodes.set(name, { node: { ...node, metadata: { ...node.metadata, [where]: marks } }, claim });
    }
    const outcome = await cycleIn(world);
    t.ok(outcome.nodes.length > 0, 'others go instead');
    t.notOk(outcome.nodes.some(({ name }) => gone.includes(name)));
    for (const name of gone) {
      const { reasons } = outcome.skipped.find((node) => node.name === name) ?? {};
      t.same(reasons, ['it is marked removal-disabled']);
    }
  });
}
