import t from 'tap';
import type { RebalanceMigrationPlanStatus } from '../../../api/kinds/rebalancemigrationplan.ts';
import { ago, NOW, node, pod, toAdd } from '../../testing/builders.ts';
import {
  checkMigrations,
  created,
  DRAINING,
  describeStep,
  event,
  FAILED_MIGRATION,
  MANDATORY,
  NAME,
  request,
  SERVED,
  scene,
  states,
} from '../../testing/migrations.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';
import { drainSince, migrationPlanName } from './livemigration.ts';

/** A live migration from its request to its end. */

checkMigrations([
  [
    'a request waits for its first answer',
    { events: [DRAINING, created(10)], request: request(['a', 'b']) },
    [],
  ],
  [
    'its first answer is recorded',
    { events: [DRAINING, created(10)], request: request(['a', 'b'], { phase: 'Running' }) },
    ['LiveMigrationInProgress'],
  ],
  [
    'the first answer is recorded once',
    {
      events: [DRAINING, created(10), event('LiveMigrationInProgress', 5)],
      request: request(['a', 'b'], states({ 'shop/a': 'Completed', 'shop/b': 'Ready' })),
    },
    [],
  ],
  [
    'a node is not deleted while its last pod is being migrated',
    { pods: [], events: [DRAINING, created(10)], request: request(['a'], { phase: 'Running' }) },
    ['LiveMigrationInProgress'],
  ],
  [
    'a request whose pods are all migrated succeeds',
    {
      pods: [],
      events: [DRAINING, created(10)],
      request: request(['a', 'b'], states({ 'shop/a': 'Completed', 'shop/b': 'Completed' })),
    },
    ['LiveMigrationSucceeded'],
  ],
  [
    'a pod that is reported as migrated and is still there is waited for',
    {
      events: [DRAINING, created(10), event('LiveMigrationInProgress', 5)],
      request: request(['a'], { phase: 'Completed' }),
    },
    [],
  ],
  [
    'such a pod is waited for until the timeout',
    { events: [DRAINING, created(601)], request: request(['a'], { phase: 'Completed' }) },
    ['LiveMigrationFailed'],
  ],
  [
    'one failed pod fails the request once all others have ended',
    {
      events: [DRAINING, created(10)],
      request: request(['a', 'b'], states({ 'shop/a': 'Failed', 'shop/b': 'Completed' })),
    },
    ['LiveMigrationFailed'],
  ],
  [
    'one failed pod does not fail the request while others are open',
    {
      events: [DRAINING, created(10), event('LiveMigrationInProgress', 5)],
      request: request(['a', 'b'], states({ 'shop/a': 'Failed', 'shop/b': 'Running' })),
    },
    [],
  ],
  [
    'a request that no provider answers in time is withdrawn',
    { events: [DRAINING, created(31)], request: request(['a', 'b']) },
    ['LiveMigrationFailed', `withdraw ${NAME}`],
  ],
  [
    'a request that is not done in time is withdrawn',
    { events: [DRAINING, created(601)], request: request(['a', 'b'], { phase: 'Running' }) },
    ['LiveMigrationFailed', `withdraw ${NAME}`],
  ],
  ['a request that was deleted fails', { events: [DRAINING, created(5)] }, ['LiveMigrationFailed']],
  [
    'a request that is being deleted fails',
    {
      events: [DRAINING, created(5)],
      request: request(['a'], { phase: 'Running' }, { deletionTimestamp: ago(1) }),
    },
    ['LiveMigrationFailed'],
  ],
  [
    'a provider that has answered may take longer than the answer timeout',
    {
      events: [DRAINING, created(60), event('LiveMigrationInProgress', 50)],
      request: request(['a', 'b'], { phase: 'Running' }),
    },
    [],
  ],
  [
    'a request succeeds while the old pod is terminating',
    {
      pods: [pod('a', { deletionTimestamp: ago(1) })],
      events: [DRAINING, created(10)],
      request: request(['a'], { phase: 'Completed' }),
    },
    ['LiveMigrationSucceeded'],
  ],
  [
    'the drain timeout starts after the migration',
    { events: [event('InProgress', 700), created(690), event('LiveMigrationFailed', 1)] },
    ['evict a', 'evict b'],
  ],
  [
    'nobody is evicted after a failure while the provider may still act on its request',
    { events: FAILED_MIGRATION, request: request(['a', 'b'], { phase: 'Running' }) },
    [`withdraw ${NAME}`],
  ],
  [
    'after a failure and an accepted withdrawal pods are evicted',
    {
      events: FAILED_MIGRATION,
      request: request(['a', 'b'], { phase: 'Running' }, { deletionTimestamp: ago(1) }),
    },
    ['evict a', 'evict b'],
  ],
  ['after a failure Optional pods are evicted', { events: FAILED_MIGRATION }, ['evict a', 'evict b']],
  [
    'after a failure a Mandatory pod fails the plan',
    { events: FAILED_MIGRATION, entries: MANDATORY },
    ['fail FailureReasonLiveMigrationFailed'],
  ],
  [
    'after a failure a deleted Mandatory pod does not fail the plan',
    { events: FAILED_MIGRATION, entries: MANDATORY, pods: [pod('b')] },
    ['evict b'],
  ],
  [
    'after a success new pods are evicted, and Mandatory pods are not',
    {
      events: [DRAINING, created(90), event('LiveMigrationSucceeded', 1)],
      entries: MANDATORY,
      pods: [pod('a'), pod('x', {}, 'other')],
    },
    ['evict x'],
  ],
  [
    'after a success the NodeClaim of the empty node is deleted',
    { events: [DRAINING, created(90), event('LiveMigrationSucceeded', 1)], pods: [] },
    ['delete-claim'],
  ],
]);

t.test('a request names pods and destinations and is owned by its plan', async (t) => {
  const [step] = decide(scene({ entries: MANDATORY })).steps;
  if (step?.kind !== 'create-migration') return t.fail('no request');
  const { metadata, spec } = step.migration;
  t.match(metadata, { name: NAME, ownerReferences: [{ kind: 'RebalancePlan', uid: 'plan-uid' }] });
  t.same(spec.migrations[0], {
    podName: 'a',
    podNamespace: 'shop',
    destinationNode: 'node-new',
    destinationNodeClaim: 'new',
    policy: 'Mandatory',
    options: { podUID: 'a-uid' },
  });
  t.equal(spec.migrations[1]?.policy, 'Optional', 'by default');
});

t.test('the destination is the last attempt', async (t) => {
  const before = scene({});
  const attempt = (nodeClaimName: string, status: 'Failed' | 'Success') => ({
    instanceType: 'm5.large',
    nodeClaimName,
    status,
  });
  const w: ExecutionState = {
    ...before,
    plan: {
      ...before.plan,
      spec: {
        ...before.plan.spec,
        nodeClaimsToAdd: [toAdd('new')],
      },
      status: {
        ...before.plan.status,
        nodesCreation: {
          new: { name: 'new', attempts: [attempt('new', 'Failed'), attempt('new-attempt-2', 'Success')] },
        },
      },
    },
    nodes: new Map([...before.nodes, ['new-attempt-2', node('second', { labels: SERVED })]]),
  };
  const step = decide(w).steps.find((s) => s.kind === 'create-migration');
  t.match(step?.migration.spec.migrations[0], {
    destinationNode: 'node-second',
    destinationNodeClaim: 'new-attempt-2',
  });
});

t.test('a failed plan withdraws its open requests and no others', async (t) => {
  const failed = (status?: RebalanceMigrationPlanStatus): readonly string[] => {
    const w = scene({ events: [DRAINING, created(10)], request: request(['a'], status) });
    const status2 = { ...w.plan.status, failurePhase: 'Deletion' as const };
    return decide({ ...w, plan: { ...w.plan, status: status2 } }).steps.map(describeStep);
  };
  t.ok(failed().includes(`withdraw ${NAME}`));
  t.ok(failed({ phase: 'Running' }).includes(`withdraw ${NAME}`));
  t.notOk(failed({ phase: 'Completed' }).includes(`withdraw ${NAME}`));
});

t.test('the history of a node that stays ends with the reason', async (t) => {
  const w = scene({ events: FAILED_MIGRATION, entries: MANDATORY });
  const failed = { ...w.plan.status, failurePhase: 'Deletion' as const, failureMessage: 'a reason' };
  const record = { kind: 'record-deletion', claim: 'old', status: 'Failed', description: 'a reason' };
  t.match(decide({ ...w, plan: { ...w.plan, status: failed } }).steps, [record, { kind: 'uncordon' }, {}]);
  const recorded = { old: { name: 'old', events: [...FAILED_MIGRATION, event('Failed', 0)] } };
  const again = decide({ ...w, plan: { ...w.plan, status: { ...failed, nodesDeletion: recorded } } });
  t.notOk(
    again.steps.some((s) => s.kind === 'record-deletion'),
    'once',
  );
  const removed = decide({ ...w, nodeClaims: new Map(), plan: { ...w.plan, status: failed } });
  t.notOk(
    removed.steps.some((s) => s.kind === 'record-deletion'),
    'not for a removed node',
  );
});

t.test('the drain timeout starts after the live migration', async (t) => {
  t.equal(drainSince([DRAINING]), NOW - 100_000);
  t.equal(drainSince([DRAINING, created(90), event('LiveMigrationFailed', 7)]), NOW - 7_000);
});

t.test('names of requests are short enough and differ', async (t) => {
  const long = 'x'.repeat(250);
  t.equal(migrationPlanName('plan', 'node'), 'plan-node');
  t.ok(migrationPlanName(long, 'a').length <= 253);
  t.not(migrationPlanName(long, 'abcdef'), migrationPlanName(long, 'abcdeg'));
});
