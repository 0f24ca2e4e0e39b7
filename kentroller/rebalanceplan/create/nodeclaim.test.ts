import t from 'tap';
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

t.test('nothing that a plan says of class, labels, taints and hash reaches its NodeClaims', async (t) => {
  const pool = make.nodePool();
  const build = (planned: ReturnType<typeof make.toAdd>) =>
    buildNodeClaim({ plan: make.plan(), planned, alternative, name: 'green', pool });
  const plain = make.toAdd('green');
  const forged = {
    ...plain,
    metadata: {
      ...plain.metadata,
      labels: { ...plain.metadata.labels, team: 'b', 'node-role.kubernetes.io/infra': '' },
      annotations: { [HASH]: 'forged', other: 'x' },
    },
    spec: {
      nodeClassRef: { group: 'x', kind: 'Other', name: 'privileged' },
      requirements: [],
      taints: [],
      startupTaints: [],
      expireAfter: 'Never',
      terminationGracePeriod: '1s',
    },
  };
  t.same(build(forged), build(plain));
  t.equal(build(plain).metadata.annotations?.[HASH], '1', 'the hash is that of the NodePool');
});
