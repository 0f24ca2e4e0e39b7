import t from 'tap';
import type { NodeClaim } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, canceled, checkCases, DELETE, PENDING } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import { IN_USE_BY } from '../state/labels.ts';

/** Plans that share nodes. */

const usedBy = (mark: string, name = 'blue'): ReadonlyMap<string, NodeClaim> =>
  new Map([[name, make.nodeClaim(name, { annotations: { [IN_USE_BY]: mark } })]]);

checkCases([
  [
    'a plan waits for a node that another one has, though that one does not run yet',
    PENDING,
    { ...BLUE, nodeClaims: usedBy('other/uid') },
    ['wait-to-start NodeInUse'],
  ],
  [
    'a plan waits for a node that an earlier plan of its name has',
    PENDING,
    { ...BLUE, nodeClaims: usedBy('plan/earlier-uid') },
    ['wait-to-start NodeInUse'],
  ],
  [
    'a plan waits for a node that node consolidation removes',
    PENDING,
    { ...BLUE, nodeClaims: usedBy('node-consolidation/blue-uid') },
    ['wait-to-start NodeInUse'],
  ],
  ['a plan that has its nodes starts', PENDING, { ...BLUE, nodeClaims: usedBy(make.MARK) }, ['start']],
  [
    'a plan that waits keeps no node from others',
    PENDING,
    { ...BLUE, nodeClaims: usedBy(make.MARK), isEnabled: false },
    ['free blue', 'wait-to-start RebalancerDisabled'],
  ],
  [
    'a plan that does not get all nodes frees the others',
    {
      ...PENDING,
      spec: {
        execute: true,
        nodeClaimsToDelete: ['blue', 'red'].map((nodeClaimName) => ({ nodeClaimName })),
      },
    },
    { nodeClaims: new Map([...usedBy(make.MARK), ...usedBy('other/uid', 'red')]) },
    ['free blue', 'wait-to-start NodeInUse'],
  ],
  [
    'a plan that ended before its start frees its nodes before it lets go',
    canceled({ ...PENDING, status: { state: 'Canceled' } }),
    { nodeClaims: usedBy(make.MARK) },
    ['free blue'],
  ],
  [
    'a failed plan frees its nodes once they look as before',
    make.plan(DELETE, { failurePhase: 'Creation', failureReason: 'x' }),
    { ...BLUE, nodeClaims: usedBy(make.MARK) },
    ['unlock node-blue'],
  ],
  [
    'a failed plan frees its nodes before it ends',
    make.plan(DELETE, { failurePhase: 'Creation', failureReason: 'x' }),
    { nodeClaims: usedBy(make.MARK) },
    ['free blue'],
  ],
  [
    'a plan frees the nodes that stay before it is done',
    make.plan({ podsToMigrate: [] }, {}, 'NodesDeleted'),
    { nodeClaims: usedBy(make.MARK) },
    ['free blue'],
  ],
]);

t.test('a waiting plan names the node and the plan that has it', async (t) => {
  const [step] = decide(make.executionState(PENDING, { ...BLUE, nodeClaims: usedBy('nightly/uid') })).steps;
  t.equal(step?.message, 'Node node-blue (NodeClaim blue) is in use by RebalancePlan nightly');
});

t.test('all plans take nodes in the same order, those to remove and those to fill', async (t) => {
  const plan = {
    ...PENDING,
    spec: {
      execute: true,
      nodeClaimsToDelete: [{ nodeClaimName: 'z' }, { nodeClaimName: 'b' }],
      nodeClaimsToAdd: [make.toAdd('new')],
      podsToMigrate: ['c', 'a', 'new', 'c'].map((dstNodeClaimName) => ({
        name: 'web',
        namespace: 'shop',
        srcNode: '',
        dstNodeClaimName,
      })),
    },
  };
  const nodeClaims = new Map(['a', 'b', 'c', 'z'].map((name) => [name, make.nodeClaim(name)]));
  const [step] = decide(make.executionState(plan, { nodeClaims })).steps;
  t.match(step, { kind: 'start', places: ['a', 'b', 'c', 'z'] });
});

t.test('a plan that has waited counts again what stays on its destinations', async (t) => {
  const move = { name: 'web-1', namespace: 'shop', srcNode: 'old', dstNodeClaimName: 'blue' };
  const owner = { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' };
  const plan = { ...PENDING, spec: { execute: true, podsToMigrate: [{ ...move, owner }] } };
  const pods = new Map([['blue', [make.pod('stays')]]]);
  const [step] = decide(make.executionState(plan, { ...BLUE, pods })).steps;
  t.match(step, { kind: 'prepare', baseline: { 'rs-uid/blue': 1 } });
});
