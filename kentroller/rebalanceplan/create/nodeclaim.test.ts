import t from 'tap';
import type { NodePool } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import type { Alternative } from './alternatives.ts';
import { buildNodeClaim } from './nodeclaim.ts';

const HASH = 'karpenter.sh/nodepool-hash';

const alternative: Alternative = {
  index: 0,
  requirements: [],
  instanceType: 'm5.large',
  capacityType: 'on-demand',
  zone: 'us-west-2a',
};

const hashOf = (planned: Readonly<Record<string, string>>, pool: NodePool): string | undefined => {
  const toAdd = make.toAdd('green');
  const claim = buildNodeClaim({
    plan: make.plan(),
    planned: { ...toAdd, metadata: { ...toAdd.metadata, annotations: planned } },
    alternative,
    name: 'green',
    pool,
  });
  return claim.metadata.annotations?.[HASH];
};

t.test(
  'the hash of the plan counts, so that a node drifts when its NodePool has changed since',
  async (t) => {
    t.equal(hashOf({ [HASH]: 'before' }, make.nodePool()), 'before');
  },
);

t.test('without a hash in the plan the one of the NodePool counts', async (t) => {
  t.equal(hashOf({}, make.nodePool()), '1');
});
