import t from 'tap';
import { LIVE_MIGRATION, LIVE_MIGRATION_DISABLED } from '../../../api/labels.ts';
import { ago, executionState, locked, nodeClaim, plan, pod } from '../../testing/builders.ts';
import { checkMigrations, MANDATORY, SERVED } from '../../testing/migrations.ts';
import { decide } from '../decide.ts';

/** Which pods are migrated live. */

checkMigrations([
  ['a provider that serves both nodes is called before any pod is evicted', {}, ['request a b']],
  ['without a provider on the old node pods are evicted', { source: {} }, ['evict a', 'evict b']],
  ['without a provider on the new node pods are evicted', { destination: {} }, ['evict a', 'evict b']],
  [
    'with mode always no labels are needed',
    { source: {}, destination: {}, settings: { mode: 'always' } },
    ['request a b'],
  ],
  ['with mode never labels do not count', { settings: { mode: 'never' } }, ['evict a', 'evict b']],
  [
    'a pod that opted out is not requested',
    { pods: [pod('a', { labels: { [LIVE_MIGRATION_DISABLED]: 'true' } }), pod('b')] },
    ['request b'],
  ],
  [
    'a pod that its provider marked as unfit is not requested',
    { pods: [pod('a', { labels: { [LIVE_MIGRATION]: 'false' } }), pod('b')] },
    ['request b'],
  ],
  [
    'a pod with a new name takes the entry of a deleted pod of its owner',
    { pods: [pod('a'), pod('c')] },
    ['request a c'],
  ],
  ['a pod that the plan does not name is evicted', { pods: [pod('x', {}, 'other')] }, ['evict x']],
  ['a terminating pod is not requested', { pods: [pod('a', { deletionTimestamp: ago(1) })] }, []],
  ['the NodeClaim of an empty node is deleted', { pods: [] }, ['delete-claim']],
  [
    'a Mandatory pod that can not be migrated fails the plan before any eviction',
    { entries: MANDATORY, source: {} },
    ['fail FailureReasonLiveMigrationFailed'],
  ],
]);

t.test('a plan with a Mandatory pod that no provider serves orders no machine', async (t) => {
  const p = plan({
    nodeClaimsToDelete: [{ nodeClaimName: 'old' }],
    podsToMigrate: MANDATORY,
    nodeClaimsToAdd: [],
  });
  const base = executionState(p, {
    nodeClaims: new Map([
      ['old', nodeClaim('old')],
      ['new', nodeClaim('new')],
    ]),
    nodes: new Map([
      ['old', locked('old')],
      ['new', locked('new')],
    ]),
    pods: new Map([['old', [pod('a')]]]),
  });
  t.match(decide(base).steps, [
    { kind: 'fail', phase: 'Creation', failureReason: /LiveMigrationUnavailable/ },
  ]);
  const served = new Map([
    ['old', locked('old', { labels: SERVED })],
    ['new', locked('new', { labels: SERVED })],
  ]);
  t.match(decide({ ...base, nodes: served }).steps, [{ kind: 'advance', phase: 'NodesCreated' }]);
});
