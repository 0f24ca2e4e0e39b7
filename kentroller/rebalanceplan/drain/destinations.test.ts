import t from 'tap';
import type { Node } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, describeStep } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';

/** A kept node that was to take pods is looked at again before they are evicted. */

const MOVES = {
  nodeClaimsToDelete: [{ nodeClaimName: 'blue' }],
  podsToMigrate: [
    {
      name: 'web-1',
      namespace: 'shop',
      srcNode: 'node-blue',
      dstNodeClaimName: 'kept',
      owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
    },
  ],
};
const kindsWith = (
  kept: Node | undefined,
  pods = [make.pod('web-1')],
  deleted = false,
): readonly string[] => {
  const state = make.executionState(make.plan(MOVES, {}, 'PinsReady'), {
    nodeClaims: new Map([
      ...BLUE.nodeClaims,
      ['kept', make.nodeClaim('kept', deleted ? { deletionTimestamp: make.ago(1) } : {})],
    ]),
    nodes: new Map([...BLUE.nodes, ...(kept ? [['kept', kept] as const] : [])]),
    pods: new Map([['blue', pods]]),
  });
  return decide(state).steps.map(describeStep);
};
const BEGINS = ['record-deletion blue', 'cordon node-blue'];
const STAYS = ['keep-node blue'];

t.test('the drain begins while the kept node takes pods', async (t) => {
  t.same(kindsWith(make.locked('kept')), BEGINS);
});

const CLOSED: readonly (readonly [string, Node | undefined, boolean])[] = [
  ['is cordoned by a user', make.locked('kept', { spec: { unschedulable: true } }), false],
  ['is not ready', make.locked('kept', { ready: false }), false],
  [
    'is out of service',
    make.locked('kept', {
      spec: { taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] },
    }),
    false,
  ],
  ['is being deleted', make.locked('kept'), true],
  ['is gone', undefined, false],
];
for (const [what, kept, isDeleted] of CLOSED) {
  t.test(`nobody is evicted for a kept node that ${what}`, async (t) => {
    t.same(kindsWith(kept, [make.pod('web-1')], isDeleted), STAYS);
  });
  t.test(`pods that went elsewhere do not need one that ${what}`, async (t) => {
    t.same(kindsWith(kept, [make.pod('other-1')], isDeleted), BEGINS);
  });
}
