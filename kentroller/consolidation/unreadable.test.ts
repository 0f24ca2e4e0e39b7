import t from 'tap';
import { IN_USE_BY, REMOVAL_TAINT } from '../../api/labels.ts';
import { NODE_CLAIMS, NODES } from '../../api/resources.ts';
import { type ErrorKind, KubeError } from '../../kube/errors.ts';
import { ConsolidationWorld } from '../testing/consolidationworld.ts';

const FAILURES: readonly (readonly [number, ErrorKind])[] = [
  [403, 'forbidden'],
  [500, 'retryable'],
];

const refuseBuffers = (world: ConsolidationWorld, [status, kind]: (typeof FAILURES)[number]): void => {
  world.before = ({ verb, resource }) => {
    if (verb === 'list' && resource.kind === 'CapacityBuffer')
      throw new KubeError('no buffers for you', { kind, status });
  };
};
const isClosed = (world: ConsolidationWorld): boolean =>
  world.api.find(NODES, { name: 'node-idle' })?.spec?.taints?.some(({ key }) => key === REMOVAL_TAINT) ??
  false;

for (const failure of FAILURES) {
  const setUp = (): ConsolidationWorld => {
    const world = new ConsolidationWorld();
    world.pool();
    world.machine('idle');
    return world;
  };

  t.test(
    `CapacityBuffers that answer ${failure[0]} keep an empty node, and it is never closed`,
    async (t) => {
      const world = setUp();
      refuseBuffers(world, failure);
      world.start();
      await world.pass(40, () => t.notOk(isClosed(world)));
      t.notOk(world.isDeleting('idle'));
      world.before = () => {};
      await world.pass(60);
      t.ok(world.isDeleting('idle'), 'it goes once they can be read');
    },
  );

  t.test(`CapacityBuffers that answer ${failure[0]} keep no node closed`, async (t) => {
    for (const turnOff of [true, false]) {
      const world = setUp();
      world.start();
      await world.pass(2);
      t.ok(isClosed(world));
      refuseBuffers(world, failure);
      if (turnOff) world.isEnabled = false;
      await world.pass(12);
      t.notOk(world.isDeleting('idle'));
      t.notOk(isClosed(world), turnOff ? 'node consolidation is off' : 'its room may be needed');
      t.equal(world.api.get(NODE_CLAIMS, { name: 'idle' }).metadata.annotations?.[IN_USE_BY], undefined);
      t.match(world.events, [/NodeKept/]);
    }
  });

  t.test(`CapacityBuffers that answer ${failure[0]} keep no expired node from its end`, async (t) => {
    const world = setUp();
    world.machine('old', { expireAfter: '5s', consolidatable: false });
    refuseBuffers(world, failure);
    world.start();
    await world.pass(8);
    t.ok(world.isDeleting('old'));
  });
}
