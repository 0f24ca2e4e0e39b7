import t from 'tap';
import type {
  RebalanceMigrationPlan,
  RebalanceMigrationPlanStatus,
} from '../../api/kinds/rebalancemigrationplan.ts';
import type { DeletionEvent, PodToMigrate } from '../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, LIVE_MIGRATION } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { decide } from '../rebalanceplan/decide.ts';
import type { ExecutionState, MigrationSettings } from '../rebalanceplan/state/state.ts';
import type { Step } from '../rebalanceplan/state/step.ts';
import { ago, executionState, locked, MARK, node, nodeClaim, plan, pod } from './builders.ts';

/** Live migrations: the pods of node `old` move to node `new`. */

export const SERVED = { [LIVE_MIGRATION]: 'true' };
export const NAME = 'plan-old';

export const entry = (name: string, o: Partial<PodToMigrate> = {}): PodToMigrate => ({
  name,
  namespace: 'shop',
  srcNode: 'node-old',
  dstNodeClaimName: 'new',
  owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
  ...o,
});

export const event = (
  status: DeletionEvent['status'],
  secondsAgo: number,
  more: Partial<DeletionEvent> = {},
) => ({
  status,
  timestamp: ago(secondsAgo),
  ...more,
});
export const created = (secondsAgo: number) =>
  event('LiveMigrationCreated', secondsAgo, { migrationPlanName: NAME });
export const DRAINING = event('InProgress', 100);

export const request = (
  pods: readonly string[],
  status?: RebalanceMigrationPlanStatus,
  o: Partial<RebalanceMigrationPlan['metadata']> = {},
): RebalanceMigrationPlan => ({
  metadata: { name: NAME, uid: 'migration-uid', ...o },
  spec: { migrations: pods.map((podName) => ({ podName, podNamespace: 'shop' })) },
  ...(status && { status }),
});

export const states = (of: Readonly<Record<string, string>>, phase?: string): RebalanceMigrationPlanStatus =>
  ({
    ...(phase && { phase }),
    migrations: Object.fromEntries(Object.entries(of).map(([name, state]) => [name, { state }])),
  }) as RebalanceMigrationPlanStatus;

export interface Scene {
  readonly pods?: readonly Pod[];
  readonly entries?: readonly PodToMigrate[];
  readonly events?: readonly DeletionEvent[];
  readonly request?: RebalanceMigrationPlan;
  readonly settings?: Partial<MigrationSettings>;
  readonly source?: Readonly<Record<string, string>>;
  readonly destination?: Readonly<Record<string, string>>;
}

export const cordoned = (labels: Readonly<Record<string, string>>): Node =>
  locked('old', {
    labels: { 'autoscaling.cast.ai/draining': 'rebalancing', ...labels },
    annotations: { [CORDONED_BY]: MARK },
    spec: { unschedulable: true },
  });

export const scene = (s: Scene): ExecutionState => {
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

/** A step in a few words, for the tables. */
export const describeStep = (step: Step): string => {
  if (step.kind === 'record-deletion') return step.status;
  if (step.kind === 'create-migration')
    return `request ${step.migration.spec.migrations.map((m) => m.podName).join(' ')}`;
  if (step.kind === 'evict') return `evict ${step.name}`;
  if (step.kind === 'fail') return `fail ${step.failureReason}`;
  return step.kind === 'withdraw-migration' ? `withdraw ${step.name}` : step.kind;
};

export const MANDATORY = [entry('a', { policy: 'Mandatory' }), entry('b')];
export const FAILED_MIGRATION = [
  DRAINING,
  created(90),
  event('LiveMigrationFailed', 1, { description: 'the provider could not migrate shop/a' }),
];

/** Sentence, scene, steps. */
export type MigrationCase = readonly [string, Scene, readonly string[]];

/** One test a case. */
export const checkMigrations = (cases: readonly MigrationCase[]): void => {
  for (const [name, s, expected] of cases) {
    t.test(name, async (t) => t.same(decide(scene(s)).steps.map(describeStep), expected));
  }
};
