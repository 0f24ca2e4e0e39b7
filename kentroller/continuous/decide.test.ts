import t from 'tap';
import type { PlanState, RebalancePlan, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { PlanningError } from '../rebalanceplanclaim/plannerworker.ts';
import {
  backoffAfter,
  backoffUntil,
  belowThreshold,
  CONTINUOUS,
  catalogueFor,
  emptyNodes,
  executionPolicyOf,
  MADE_BY,
  plansToPrune,
  settledNodes,
  skipReason,
} from './decide.ts';
import type { ContinuousSettings } from './settings.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const MINUTE = 60_000;

const SETTINGS: ContinuousSettings = {
  enabled: true,
  mode: 'full',
  minNodeAgeMs: 5 * MINUTE,
  minNodes: 1,
  maxNodes: 100,
  moveWeight: 0.5,
  thresholdPercent: 0,
  thresholdMonthly: 50,
  podMoveCooldownMs: 0,
  failureBackoffMs: 30 * MINUTE,
  aggressive: {},
};

const node = (ageMinutes: number): Node => ({
  metadata: { name: `n${ageMinutes}`, creationTimestamp: new Date(NOW - ageMinutes * MINUTE).toISOString() },
});

const plan = (
  name: string,
  state: PlanState,
  endedMinutesAgo = 0,
  labels = { [MADE_BY]: CONTINUOUS },
): RebalancePlan => ({
  metadata: { name, labels },
  spec: { execute: true },
  status: {
    state,
    ...(endedMinutesAgo > 0 && { completionTime: new Date(NOW - endedMinutesAgo * MINUTE).toISOString() }),
  },
});

const SKIP_CASES: readonly [
  string,
  Partial<ContinuousSettings>,
  readonly RebalancePlan[],
  readonly Node[],
  RegExp | undefined,
][] = [
  ['an old node is enough to look', {}, [], [node(6)], undefined],
  ['nothing while it is disabled', { enabled: false }, [], [node(6)], /is not enabled/],
  [
    'nothing while any plan runs',
    {},
    [plan('other', 'Running', 0, {} as never)],
    [node(6)],
    /plan other has not finished/,
  ],
  ['nothing while a plan waits to run', {}, [plan('p', 'Pending')], [node(6)], /plan p has not finished/],
  ['nothing while nodes are young', {}, [], [node(4)], /0 nodes are old enough, 1 are needed/],
  ['nothing with fewer nodes than the minimum', { minNodes: 2 }, [], [node(6)], /1 nodes are old enough, 2/],
  [
    'a backoff after a failure',
    {},
    [plan('p', 'Failed', 29)],
    [node(6)],
    /backing off until 2026-11-22T12:01:00/,
  ],
  ['and on after the backoff', {}, [plan('p', 'Failed', 31)], [node(6)], undefined],
  [
    'twice as long after two',
    {},
    [plan('a', 'Failed', 31), plan('b', 'Failed', 100)],
    [node(6)],
    /backing off until/,
  ],
  [
    'a success in between starts anew',
    {},
    [plan('a', 'Failed', 31), plan('b', 'Done', 50), plan('c', 'Failed', 60)],
    [node(6)],
    undefined,
  ],
];

for (const [name, settings, plans, nodes, expected] of SKIP_CASES) {
  t.test(name, async (t) => {
    const found = skipReason({ ...SETTINGS, ...settings }, { plans, nodes, now: NOW });
    if (expected) t.match(found, expected);
    else t.equal(found, undefined);
  });
}

t.test('the backoff after failures never exceeds a day', async (t) => {
  const many = Array.from({ length: 20 }, (_, i) => plan(`p${i}`, 'Failed', 10 + i));
  t.equal(backoffUntil(many, 30 * MINUTE), NOW - 10 * MINUTE + 24 * 60 * MINUTE);
});

t.test(
  'a planner that fails backs off like a failed plan, an API server that is down does not',
  async (t) => {
    const planner = new PlanningError('broken');
    const away = new Error('503');
    t.equal(backoffAfter(1, 30 * MINUTE, planner, 10_000), 30 * MINUTE);
    t.equal(backoffAfter(3, 30 * MINUTE, planner, 10_000), 120 * MINUTE);
    t.equal(backoffAfter(40, 30 * MINUTE, planner, 10_000), 24 * 60 * MINUTE);
    t.equal(backoffAfter(1, 30 * MINUTE, away, 10_000), 10_000);
    t.equal(backoffAfter(3, 30 * MINUTE, away, 10_000), 40_000);
    t.equal(backoffAfter(40, 30 * MINUTE, away, 10_000), 30 * MINUTE);
  },
);

const savings = (percent: string, monthly: string): Savings => ({
  projectedSavingsPercent: percent,
  projectedSavingsCostMonthly: monthly,
  currentMonthlyCost: '1000',
  projectedMonthlyCost: '900',
});

t.test('both thresholds count', async (t) => {
  t.equal(belowThreshold(SETTINGS, savings('5.0', '50.00')), undefined);
  t.match(belowThreshold(SETTINGS, savings('90.0', '49.99')), /49\.99 USD a month, less than 50/);
  t.match(
    belowThreshold({ ...SETTINGS, thresholdPercent: 10 }, savings('9.9', '500')),
    /9\.9 %, less than 10 %/,
  );
});

t.test('a plan has to reach the thresholds with the nodes that it gets, too', async (t) => {
  const policyFor = (o: Partial<ContinuousSettings>, currentMonthlyCost: string, projected = '50') =>
    executionPolicyOf({ ...SETTINGS, ...o }, [{ currentMonthlyCost }], savings(projected, '50'))
      .executionPolicy?.achievedSavingsPercentageThreshold;
  t.equal(policyFor({ thresholdPercent: 10, thresholdMonthly: 0 }, '100'), '10');
  t.equal(policyFor({ thresholdPercent: 10, thresholdMonthly: 50 }, '300'), '16.6', 'USD in percent');
  t.equal(policyFor({ thresholdPercent: 10 }, '1000', '7.5'), '7.5', 'one of several plans may save less');
  t.equal(policyFor({ thresholdPercent: 0, thresholdMonthly: 0 }, '300'), undefined);
});

t.test('draining has no offering to buy and still knows prices', async (t) => {
  const type = { name: 'm5.large', arch: 'amd64', os: ['linux'], labels: {} };
  const amounts = { cpu: 0, memory: 0, pods: 0, ephemeralStorage: 0, other: {} };
  const offering = { zone: 'a', capacityType: 'spot' as const, price: 0.1, available: true };
  const catalogue = {
    instanceTypes: [{ ...type, capacity: amounts, overhead: amounts, offerings: [offering] }],
  };
  const [found] = catalogueFor({ ...SETTINGS, mode: 'drain-only' }, catalogue).instanceTypes;
  t.same(found?.offerings, [{ ...offering, available: false }]);
  t.equal(catalogueFor(SETTINGS, catalogue), catalogue);
  const commitments = [{ unit: 'hourly' as const, amount: 1 }];
  const drained = catalogueFor({ ...SETTINGS, mode: 'drain-only' }, { ...catalogue, commitments });
  t.same(drained.commitments, commitments, 'commitments stay');
});

t.test('history keeps the newest, plans that were never executed go', async (t) => {
  const unstarted: RebalancePlan = { ...plan('unstarted', 'Pending'), spec: { execute: false } };
  const plans = [
    plan('old', 'Done', 30),
    plan('new', 'Done', 10),
    unstarted,
    plan('theirs', 'Done', 90, {} as never),
  ];
  t.same(
    plansToPrune(plans, 1, { now: NOW, cooldownMs: 0 }).map((p) => p.metadata.name),
    ['unstarted', 'old'],
  );
  t.same(
    plansToPrune(plans, 1, { now: NOW, cooldownMs: 60 * MINUTE }).map((p) => p.metadata.name),
    ['unstarted'],
    'one that a cooldown needs stays',
  );
});

t.test('a node with a pod that was moved lately is not settled, whatever its DaemonSets do', async (t) => {
  const podOf = (name: string, kind: string): Pod => ({
    metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind, name, uid: name, controller: true }] },
    spec: { containers: [], nodeName: 'n' },
  });
  const on: Record<string, readonly Pod[]> = {
    n1: [podOf('moved', 'ReplicaSet'), podOf('other', 'ReplicaSet')],
    n2: [podOf('moved', 'DaemonSet'), podOf('other', 'ReplicaSet')],
  };
  const until = ({ metadata }: Pod): number => (metadata.name === 'moved' ? NOW + 1 : NOW);
  t.same(
    settledNodes([node(1), node(2)], (name) => on[name] ?? [], until, NOW),
    ['n2'],
  );
});

t.test('a node is empty when nothing on it would have to move', async (t) => {
  const owned = (kind: string): Pod => ({
    metadata: {
      name: kind,
      ownerReferences: [{ apiVersion: 'apps/v1', kind, name: 'x', uid: 'x', controller: true }],
    },
    spec: { containers: [] },
    status: { phase: 'Running' },
  });
  const pods: Record<string, readonly Pod[]> = {
    n1: [owned('DaemonSet')],
    n2: [owned('ReplicaSet')],
    n3: [{ ...owned('Job'), status: { phase: 'Succeeded' } }],
  };
  t.same(
    emptyNodes([node(1), node(2), node(3), node(4)], (name) => pods[name] ?? []),
    ['n1', 'n3', 'n4'],
  );
});

t.test('delete-empty removes empty nodes and no others, however much that would save', async (t) => {
  const empty = makeNode('empty');
  const full = makeNode('full');
  const pods = [makePod('p', { node: 'full' })];
  const snapshot = makeSnapshot([empty, full, makeNode('half')], [...pods, makePod('q', { node: 'half' })]);
  const settings: ContinuousSettings = { ...SETTINGS, mode: 'delete-empty' };
  const nodeNames = emptyNodes(snapshot.nodes, (name) =>
    snapshot.pods.filter((p) => p.spec.nodeName === name),
  );
  const { plan } = rebalance({
    snapshot,
    catalogue: catalogueFor(settings, smallCatalogue),
    now: NOW,
    seed: 1,
    planName: 'p',
    rounds: 20,
    scope: { nodeNames: [...nodeNames] },
  });
  t.same(plan?.spec.nodeClaimsToDelete, [{ nodeClaimName: 'claim-empty' }]);
  t.same(plan?.spec.nodeClaimsToAdd ?? [], []);
  t.same(plan?.spec.podsToMigrate ?? [], []);
});
