import t from 'tap';
import { ownerMark } from '../../api/identity/ownermark.ts';
import { IN_USE_BY } from '../../api/labels.ts';
import { NODE_CLAIMS } from '../../api/resources.ts';
import { ConsolidationWorld } from '../testing/consolidationworld.ts';

/** What is said of a node that an evictor has emptied. */

const EVICTED = {
  metadata: {
    labels: { 'evictor.cast.ai/eviction-status': 'done', 'autoscaling.cast.ai/draining': 'evictor' },
  },
  spec: { unschedulable: true },
};

const evicted = (): ConsolidationWorld => {
  const world = new ConsolidationWorld();
  world.pool();
  world.machine('idle', { consolidatable: false, node: EVICTED });
  return world;
};

t.test('a node that its plan deletes itself is not said to stay', async (t) => {
  const world = evicted();
  const plan = ownerMark({ metadata: { name: 'evictor-1', uid: 'u' } });
  world.api.patch(NODE_CLAIMS, { name: 'idle' }, { metadata: { annotations: { [IN_USE_BY]: plan } } });
  world.start();
  await world.pass(3);
  t.notOk(world.isDeleting('idle'));
  t.same(world.events, []);
});

t.test('a node of another evictor is said to stay, with what is on it', async (t) => {
  const world = evicted();
  world.pod('late', { spec: { nodeName: 'node-idle' } });
  world.start();
  await world.pass(3);
  t.match(world.events[0], /node-idle NodeKept: .*though the evictor is done: pod shop\/late runs on it/);
});
