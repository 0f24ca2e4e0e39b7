import t from 'tap';
import type {
  RebalanceMigrationPlan,
  RebalanceMigrationPlanStatus,
} from '../../../api/kinds/rebalancemigrationplan.ts';
import type { DeletionEvent, PodToMigrate } from '../../../api/kinds/rebalanceplan.ts';
import { LIVE_MIGRATION, LIVE_MIGRATION_DISABLED } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import {
  ago,
  executionState,
  locked,
  NOW,
  node,
  nodeClaim,
  plan,
  pod,
  toAdd,
} from '../../testing/builders.ts';
import { decide } from '../decide.ts';
import { CORDONED_BY } from '../state/labels.ts';
import type { ExecutionState, MigrationSettings } from '../state/state.ts';
import type { Step } from '../state/step.ts';
import { drainSince, migrationPlanName } from './livemigration.ts';
import { progressOf } from './livemigrationprogress.ts';

/** Node `old` is emptied into node `new`; the pods on it are the plan's. */

const SERVED = { [LIVE_MIGRATION]: 'true' };
const NAME = 'plan-old';

const entry = (name: string, o: Partial<PodToMigrate> = {}): PodToMigrate => ({
  name,
  namespace: 'shop',
  srcNode: 'node-old',
  dstNodeClaimName: 'new',
  owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
  ...o,
});

const event = (status: DeletionEvent['status'], secondsAgo: number, more: Partial<DeletionEvent> = {}) => ({
  status,
  timestamp: ago(secondsAgo),
  ...more,
});
const created = (secondsAgo: number) =>
  event('LiveMigrationCreated', secondsAgo, { migrationPlanName: NAME });
const DRAINING = event('InProgress', 100);

const request = (
  pods: readonly string[],
  status?: RebalanceMigrationPlanStatus,
  o: Partial<RebalanceMigrationPlan['metadata']> = {},
): RebalanceMigrationPlan => ({
  metadata: { name: NAME, uid: 'migration-uid', ...o },
  spec: { migrations: pods.map((podName) => ({ podName, podNamespace: 'shop' })) },
  ...(status ? { status } : {}),
});

const states = (of: Readonly<Record<string, string>>, phase?: string): RebalanceMigrationPlanStatus =>
  ({
    ...(phase ? { phase } : {}),
    migrations: Object.fromEntries(Object.entries(of).map(([name, state]) => [name, { state }])),
  }) as RebalanceMigrationPlanStatus;

interface Scene {
  readonly pods?: readonly Pod[];
  readonly entries?: readonly PodToMigrate[];
  readonly events?: readonly DeletionEvent[];
  readonly request?: RebalanceMigrationPlan;
  readonly settings?: Partial<MigrationSettings>;
  readonly source?: Readonly<Record<string, string>>;
  readonly destination?: Readonly<Record<string, string>>;
}

const cordoned = (labels: Readonly<Record<string, string>>): Node =>
  locked('old', {
    labels: { 'autoscaling.cast.ai/draining': 'rebalancing', ...labels },
    annotations: { [CORDONED_BY]: 'plan' },
    spec: { unschedulable: true },
  });

const scene = (s: Scene): ExecutionState => {
  const events = s.events ?? [DRAINING];
  const p = plan(
    {
      nodeClaimsToDelete: [{ nodeClaimName: 'old' }],
      podsToMigrate: [...(s.entries ?? [entry('a'), entry('b')])],
    },
    { nodesDeletion: { old: { name: 'old', events: [...events] } } },
    'PinsReady',
  );
  return executionState(p, {
    nodeClaims: new Map([
      ['old', nodeClaim('old')],
      ['new', nodeClaim('new')],
    ]),
    nodes: new Map([
      ['old', cordoned(s.source ?? SERVED)],
      ['new', node('new', { labels: { ...(s.destination ?? SERVED) } })],
    ]),
    pods: new Map([['old', s.pods ?? [pod('a'), pod('b')]]]),
    migration: {
      mode: 'auto',
      answerTimeoutMs: 30_000,
      timeoutMs: 600_000,
      ...s.settings,
      plans: new Map(s.request ? [[NAME, s.request]] : []),
    },
  });
};

/** A step in a few words: what the tables compare. */
const brief = (step: Step): string => {
  if (step.kind === 'record-deletion') return step.status;
  if (step.kind === 'create-migration')
    return `ask for ${step.migration.spec.migrations.map((m) => m.podName).join(' ')}`;
  if (step.kind === 'evict') return `evict ${step.name}`;
  if (step.kind === 'fail') return `fail ${step.failureReason}`;
  return step.kind === 'withdraw-migration' ? `withdraw ${step.name}` : step.kind;
};

const MANDATORY = [entry('a', { policy: 'Mandatory' }), entry('b')];
const ENDED_BADLY = [
  DRAINING,
  created(90),
  event('LiveMigrationFailed', 1, { description: 'the provider could not migrate shop/a' }),
];

const CASES: readonly [string, Scene, readonly string[]][] = [
  ['where a provider serves both nodes it is asked before anything is evicted', {}, ['ask for a b']],
  ['no provider on the node: evicted as ever', { source: {} }, ['evict a', 'evict b']],
  ['no provider on the new node: evicted as ever', { destination: {} }, ['evict a', 'evict b']],
  [
    'always: asked without labels',
    { source: {}, destination: {}, settings: { mode: 'always' } },
    ['ask for a b'],
  ],
  ['never: evicted in spite of labels', { settings: { mode: 'never' } }, ['evict a', 'evict b']],
  [
    'a pod that opted out is left to eviction',
    { pods: [pod('a', { labels: { [LIVE_MIGRATION_DISABLED]: 'true' } }), pod('b')] },
    ['ask for b'],
  ],
  [
    'a pod that the provider marked as unfit too',
    { pods: [pod('a', { labels: { [LIVE_MIGRATION]: 'false' } }), pod('b')] },
    ['ask for b'],
  ],
  [
    'a pod with a new name stands for one of its owner that is gone',
    { pods: [pod('a'), pod('c')] },
    ['ask for a c'],
  ],
  ['a pod that the plan does not name is not asked for', { pods: [pod('x', {}, 'other')] }, ['evict x']],
  ['a pod on its way out is not asked for', { pods: [pod('a', { deletionTimestamp: ago(1) })] }, []],
  ['an empty node goes', { pods: [] }, ['delete-claim']],
  [
    'a pod that must be migrated and can not ends the drain before anything is evicted',
    { entries: MANDATORY, source: {} },
    ['fail FailureReasonLiveMigrationFailed'],
  ],
  [
    'a request that is there waits for its answer',
    { events: [DRAINING, created(10)], request: request(['a', 'b']) },
    [],
  ],
  [
    'its first answer is recorded',
    { events: [DRAINING, created(10)], request: request(['a', 'b'], { phase: 'Running' }) },
    ['LiveMigrationInProgress'],
  ],
  [
    'once',
    {
      events: [DRAINING, created(10), event('LiveMigrationInProgress', 5)],
      request: request(['a', 'b'], states({ 'shop/a': 'Completed', 'shop/b': 'Ready' })),
    },
    [],
  ],
  [
    'a node is not deleted while its last pod is on its way',
    { pods: [], events: [DRAINING, created(10)], request: request(['a'], { phase: 'Running' }) },
    ['LiveMigrationInProgress'],
  ],
  [
    'all moved',
    {
      pods: [],
      events: [DRAINING, created(10)],
      request: request(['a', 'b'], states({ 'shop/a': 'Completed', 'shop/b': 'Completed' })),
    },
    ['LiveMigrationSucceeded'],
  ],
  [
    'moved, it is said, but still there: wait',
    {
      events: [DRAINING, created(10), event('LiveMigrationInProgress', 5)],
      request: request(['a'], { phase: 'Completed' }),
    },
    [],
  ],
  [
    'but not for ever',
    { events: [DRAINING, created(601)], request: request(['a'], { phase: 'Completed' }) },
    ['LiveMigrationFailed'],
  ],
  [
    'one that failed makes the whole fail, once the others have ended',
    {
      events: [DRAINING, created(10)],
      request: request(['a', 'b'], states({ 'shop/a': 'Failed', 'shop/b': 'Completed' })),
    },
    ['LiveMigrationFailed'],
  ],
  [
    'not before',
    {
      events: [DRAINING, created(10), event('LiveMigrationInProgress', 5)],
      request: request(['a', 'b'], states({ 'shop/a': 'Failed', 'shop/b': 'Running' })),
    },
    [],
  ],
  [
    'nobody answers: the request is taken back',
    { events: [DRAINING, created(31)], request: request(['a', 'b']) },
    ['LiveMigrationFailed', `withdraw ${NAME}`],
  ],
  [
    'an answer, and then nothing more',
    { events: [DRAINING, created(601)], request: request(['a', 'b'], { phase: 'Running' }) },
    ['LiveMigrationFailed', `withdraw ${NAME}`],
  ],
  ['a request that somebody deleted', { events: [DRAINING, created(5)] }, ['LiveMigrationFailed']],
  [
    'or is deleting',
    {
      events: [DRAINING, created(5)],
      request: request(['a'], { phase: 'Running' }, { deletionTimestamp: ago(1) }),
    },
    ['LiveMigrationFailed'],
  ],
  [
    'who has answered may take longer than an answer may',
    {
      events: [DRAINING, created(60), event('LiveMigrationInProgress', 50)],
      request: request(['a', 'b'], { phase: 'Running' }),
    },
    [],
  ],
  [
    'moved, and the old pod on its way out',
    {
      pods: [pod('a', { deletionTimestamp: ago(1) })],
      events: [DRAINING, created(10)],
      request: request(['a'], { phase: 'Completed' }),
    },
    ['LiveMigrationSucceeded'],
  ],
  [
    'after a long migration there is still time to evict',
    { events: [event('InProgress', 700), created(690), event('LiveMigrationFailed', 1)] },
    ['evict a', 'evict b'],
  ],
  ['after a failure Optional pods are evicted', { events: ENDED_BADLY }, ['evict a', 'evict b']],
  [
    'after a failure a Mandatory pod ends the drain',
    { events: ENDED_BADLY, entries: MANDATORY },
    ['fail FailureReasonLiveMigrationFailed'],
  ],
  [
    'a Mandatory pod that is gone does not',
    { events: ENDED_BADLY, entries: MANDATORY, pods: [pod('b')] },
    ['evict b'],
  ],
  [
    'after a success what came since is evicted, and no Mandatory pod ever is',
    {
      events: [DRAINING, created(90), event('LiveMigrationSucceeded', 1)],
      entries: MANDATORY,
      pods: [pod('a'), pod('x', {}, 'other')],
    },
    ['evict x'],
  ],
  [
    'after a success the empty node goes',
    { events: [DRAINING, created(90), event('LiveMigrationSucceeded', 1)], pods: [] },
    ['delete-claim'],
  ],
];

for (const [name, s, expected] of CASES) {
  t.test(name, async (t) => {
    t.same(decide(scene(s)).steps.map(brief), expected);
  });
}

t.test('the request says which pod goes where, and belongs to its plan', async (t) => {
  const [step] = decide(scene({ entries: MANDATORY })).steps;
  if (step?.kind !== 'create-migration') return t.fail('no request was made');
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
  t.equal(spec.migrations[1]?.policy, 'Optional', 'where the plan says nothing');
});

t.test('the destination is the attempt that got a machine', async (t) => {
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

t.test('a plan with pods that nobody can migrate orders no machine', async (t) => {
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

t.test('a plan that fails takes its open requests back, and leaves those that ended', async (t) => {
  const failed = (status?: RebalanceMigrationPlanStatus): readonly string[] => {
    const w = scene({ events: [DRAINING, created(10)], request: request(['a'], status) });
    const status2 = { ...w.plan.status, failurePhase: 'Deletion' as const };
    return decide({ ...w, plan: { ...w.plan, status: status2 } }).steps.map(brief);
  };
  t.ok(failed().includes(`withdraw ${NAME}`));
  t.ok(failed({ phase: 'Running' }).includes(`withdraw ${NAME}`));
  t.notOk(failed({ phase: 'Completed' }).includes(`withdraw ${NAME}`));
});

t.test('the history of a node that stays ends with why', async (t) => {
  const w = scene({ events: ENDED_BADLY, entries: MANDATORY });
  const failed = { ...w.plan.status, failurePhase: 'Deletion' as const, failureMessage: 'a reason' };
  const record = { kind: 'record-deletion', claim: 'old', status: 'Failed', description: 'a reason' };
  t.match(decide({ ...w, plan: { ...w.plan, status: failed } }).steps, [record, { kind: 'uncordon' }, {}]);
  const told = { old: { name: 'old', events: [...ENDED_BADLY, event('Failed', 0)] } };
  const again = decide({ ...w, plan: { ...w.plan, status: { ...failed, nodesDeletion: told } } });
  t.notOk(
    again.steps.some((s) => s.kind === 'record-deletion'),
    'once',
  );
  const gone = decide({ ...w, nodeClaims: new Map(), plan: { ...w.plan, status: failed } });
  t.notOk(
    gone.steps.some((s) => s.kind === 'record-deletion'),
    'not of a node that is gone',
  );
});

t.test('the time to empty a node begins anew after its live migration', async (t) => {
  t.equal(drainSince([DRAINING]), NOW - 100_000);
  t.equal(drainSince([DRAINING, created(90), event('LiveMigrationFailed', 7)]), NOW - 7_000);
});

t.test('names of requests fit, and differ', async (t) => {
  const long = 'x'.repeat(250);
  t.equal(migrationPlanName('plan', 'node'), 'plan-node');
  t.ok(migrationPlanName(long, 'a').length <= 253);
  t.not(migrationPlanName(long, 'abcdef'), migrationPlanName(long, 'abcdeg'));
});

t.test(
  'what a provider wrote: its word on a pod, under either key, before its word on the whole',
  async (t) => {
    const of = (status?: RebalanceMigrationPlanStatus) => progressOf(request(['a', 'b'], status));
    t.same(of(), { answered: false, completed: [], failed: [], open: ['shop/a', 'shop/b'] });
    t.same(of({ phase: 'Pending' }), {
      answered: true,
      completed: [],
      failed: [],
      open: ['shop/a', 'shop/b'],
    });
    t.same(of(states({ a: 'Completed', 'shop/b': 'Failed' }, 'Running')), {
      answered: true,
      completed: ['shop/a'],
      failed: ['shop/b'],
      open: [],
    });
    t.same(of(states({ a: 'Completed' }, 'Failed')).failed, ['shop/b']);
    t.same(of(states({ a: 'Failed', b: 'Running' }, 'Succeeded')).completed, ['shop/b']);
  },
);
