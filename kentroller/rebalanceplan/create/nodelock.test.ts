import t from 'tap';
import type { Node, NodeClaim } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { attempts, DELETE } from '../../testing/decisions.ts';
import { LOCKED_BY } from '../state/labels.ts';
import { lockSteps, unlockSteps } from './nodelock.ts';

const DO_NOT_DISRUPT = { 'karpenter.sh/do-not-disrupt': 'true' };
const DISRUPTED = { spec: { taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' as const }] } };
const CLAIM = make.nodeClaim('blue');
const DELETED = make.nodeClaim('blue', { deletionTimestamp: make.ago(1) });

const LOCKS: readonly (readonly [
  string,
  NodeClaim | undefined,
  Node | undefined,
  boolean,
  readonly object[],
])[] = [
  ['a node is locked', CLAIM, make.node('blue'), false, [{ kind: 'lock' }]],
  ['a locked node needs no step', CLAIM, make.locked('blue'), false, []],
  [
    'a node that another plan locked is locked again',
    CLAIM,
    make.locked('blue', { annotations: { [LOCKED_BY]: 'other/uid' } }),
    false,
    [{ kind: 'lock' }],
  ],
  [
    'a missing NodeClaim fails the plan',
    undefined,
    undefined,
    false,
    [{ kind: 'fail', failureReason: 'FailureReasonNodeGone' }],
  ],
  [
    'a NodeClaim that is being deleted fails the plan',
    DELETED,
    make.node('blue'),
    false,
    [{ kind: 'fail', failureReason: 'FailureReasonNodeDisrupted' }],
  ],
  [
    'a node that Karpenter disrupts fails the plan',
    CLAIM,
    make.node('blue', DISRUPTED),
    false,
    [{ kind: 'fail', failureReason: 'FailureReasonNodeDisrupted' }],
  ],
  ['a missing NodeClaim is ignored once machines are ordered', undefined, undefined, true, []],
  ['a disrupted node is ignored once machines are ordered', CLAIM, make.node('blue', DISRUPTED), true, []],
];

for (const [name, claim, node, hasOrdered, expected] of LOCKS) {
  t.test(name, async (t) => {
    const steps = lockSteps({
      plan: make.plan(DELETE, hasOrdered ? attempts({}) : {}),
      nodeClaims: new Map(claim ? [['blue', claim]] : []),
      nodes: new Map(node ? [['blue', node]] : []),
    });
    t.equal(steps.length, expected.length);
    t.match(steps, expected);
  });
}

const UNLOCKS: readonly (readonly [string, Node, readonly object[]])[] = [
  ['a locked node is unlocked', make.locked('blue'), [{ kind: 'unlock' }]],
  ["another plan's lock stays", make.locked('blue', { annotations: { [LOCKED_BY]: 'other/uid' } }), []],
  [
    'the lock of an earlier plan of the same name stays',
    make.locked('blue', { annotations: { [LOCKED_BY]: 'plan/earlier-uid' } }),
    [],
  ],
  ['a node without a lock needs no step', make.node('blue', { annotations: DO_NOT_DISRUPT }), []],
];

for (const [name, node, expected] of UNLOCKS) {
  t.test(name, async (t) => {
    const steps = unlockSteps({ plan: make.plan(DELETE), nodes: new Map([['blue', node]]) });
    t.equal(steps.length, expected.length);
    t.match(steps, expected);
  });
}
