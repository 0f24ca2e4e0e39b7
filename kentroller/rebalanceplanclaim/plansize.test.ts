import t from 'tap';
import type {
  NodeCost,
  RebalancePlanSpec,
  RebalancePlanStatus,
  Savings,
} from '../../api/kinds/rebalanceplan.ts';
import { attemptName } from '../rebalanceplan/create/nodeclaim.ts';
import { migrationPlanName } from '../rebalanceplan/drain/livemigration.ts';
import { PHASES } from '../rebalanceplan/state/labels.ts';
import {
  addWarning,
  recordAttempt,
  recordDeletion,
  STATUS_ENDS,
  type StatusChange,
  setCondition,
} from '../rebalanceplan/state/status.ts';
import * as make from '../testing/builders.ts';
import { MAX_PLAN_BYTES, MAX_STORED_BYTES, planBytes } from './plansize.ts';

const SAVINGS = {
  projectedSavingsPercent: '1',
  projectedSavingsCostMonthly: '1',
  currentMonthlyCost: '1',
  projectedMonthlyCost: '1',
};
const uidOf = (n: number): string => `7d8c6e2c-6f5e-4f0c-9a55-${String(n).padStart(12, '0')}`;

/** A plan that moves pods of as many Deployments to nodes that stay. */
const planOf = (pods: number): RebalancePlanSpec => ({
  execute: false,
  podsToMigrate: Array.from({ length: pods }, (_, n) => ({
    name: `web-${n}-7d9f8b6c5d-x2x4z`,
    namespace: `shop-${n}`,
    dstNodeClaimName: `pool-${n % 7}`,
    owner: { kind: 'ReplicaSet', name: `web-${n}-7d9f8b6c5d`, uid: uidOf(n) },
  })),
});

t.test('the size of a plan has room for what its status keeps of each move', async (t) => {
  const spec = planOf(500);
  const moves = spec.podsToMigrate ?? [];
  const status = {
    pinBaseline: Object.fromEntries(moves.map((m) => [`${m.owner?.uid}/${m.dstNodeClaimName}`, 25])),
    detachedPods: moves.map((m, n) => ({
      namespace: m.namespace,
      name: m.name,
      uid: uidOf(n),
      hash: '7d9f8b6c5d',
      replicaSet: { name: m.owner?.name, uid: m.owner?.uid },
    })),
  };
  const stored = Buffer.byteLength(JSON.stringify({ spec, status: { ...status, savings: SAVINGS } }));
  const bytes = planBytes(spec, SAVINGS);
  t.ok(bytes >= stored, `${bytes} of ${stored} bytes`);
  t.ok(bytes < stored * 1.3, 'and not much more');
});

/** The fullest status that a plan may end with, written as the executor writes it. */
const endOf = (spec: RebalancePlanSpec, savings: Savings): RebalancePlanStatus => {
  const long = 'the provider says no; '.repeat(250);
  const changes: StatusChange[] = [];
  for (const { metadata, alternatives = [] } of spec.nodeClaimsToAdd ?? []) {
    for (const at of alternatives.keys()) {
      const attempt = {
        planned: metadata.name,
        claimName: attemptName(metadata.name, at + 1),
        instanceType: 'u-6tb1.112xlarge',
        capacityType: 'on-demand',
        zone: 'us-gov-west-1a',
        alternative: at,
        priceCapHourly: '1234.567890',
      };
      changes.push(recordAttempt(attempt, 'Failed', long, make.NOW));
    }
  }
  for (const { nodeClaimName } of spec.nodeClaimsToDelete ?? []) {
    const migration = migrationPlanName('night-7d8c6e2c-p30', nodeClaimName);
    for (let n = 0; n < 12; n += 1)
      changes.push(
        recordDeletion(nodeClaimName, 'LiveMigrationInProgress', `${n} ${long}`, make.NOW, migration),
      );
  }
  for (let n = 0; n < 150; n += 1) changes.push(addWarning(`${n} ${long}`));
  for (const type of ['Started', ...PHASES, 'Failed', 'Finished', 'WritesAccepted'])
    changes.push(setCondition(type, 'False', 'FailureReasonLiveMigrationUnavailable', long, make.NOW));
  const moves = spec.podsToMigrate ?? [];
  const status = changes.reduce((s, change) => change(s), {} as RebalancePlanStatus);
  return {
    ...status,
    state: 'DoneWithWarnings',
    savings,
    validatedSavings: savings,
    failurePhase: 'Creation',
    failureReason: 'FailureReasonLiveMigrationUnavailable',
    failureMessage: long.slice(0, STATUS_ENDS.message),
    specHash: 'a'.repeat(64),
    startTime: new Date(make.NOW).toISOString(),
    completionTime: new Date(make.NOW).toISOString(),
    achievedOutcome: {
      podsPlanned: 10_000,
      podsPlaced: 10_000,
      monthlyCost: '123456.78',
      savingsPercent: '99.9',
    },
    nodePoolBudgets: (spec.nodeClaimsToDelete ?? []).map((_, n) => ({
      nodePoolName: `a-nodepool-for-every-team-${n}`,
      allowedDisruptions: 1_000,
    })),
    pinBaseline: Object.fromEntries(moves.map((m) => [`${m.owner?.uid}/${m.dstNodeClaimName}`, 25])),
    detachedPods: moves.map((m, n) => ({
      namespace: m.namespace,
      name: m.name,
      uid: uidOf(n),
      hash: '7d9f8b6c5d',
      replicaSet: { name: m.owner?.name ?? '', uid: m.owner?.uid ?? '' },
    })),
    observedGeneration: 2,
  };
};

const cost = (name: string): NodeCost => ({
  name,
  instanceType: 'm5.24xlarge',
  isSpot: false,
  milliCPU: 96_000,
  memoryMiB: 393_216,
  priceHourly: '4.608000',
  zone: 'us-west-2a',
  capacityType: 'on-demand',
  nodePool: 'general',
});

const requirements = [
  {
    key: 'node.kubernetes.io/instance-type',
    operator: 'In' as const,
    values: ['m5.large', 'm6i.large', 'm7i.large'],
  },
];

/** A plan that replaces so many nodes, each with eight pods that may surge. */
const replacing = (nodes: number): { readonly spec: RebalancePlanSpec; readonly savings: Savings } => {
  const names = Array.from({ length: nodes }, (_, n) => `night-7d8c6e2c-6f5e-4f0c-9a55-${n}`);
  const spec = {
    ...planOf(nodes * 8),
    nodeClaimsToDelete: names.map((each) => ({ nodeClaimName: `${each}-old` })),
    nodeClaimsToAdd: names.map((each) => ({
      metadata: { name: each, labels: { 'karpenter.sh/nodepool': 'general' } },
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements,
      },
      alternatives: Array.from({ length: 8 }, () => ({ requirements, priceHourly: '0.192' })),
    })),
  };
  const savings = {
    ...SAVINGS,
    blueNodes: names.map((each) => cost(`${each}-old`)),
    greenNodes: names.map(cost),
  };
  return { spec, savings };
};

t.test('fault: a plan that may be stored stays below 700 kB up to its fullest end', async (t) => {
  const fits = (nodes: number): boolean => {
    const { spec, savings } = replacing(nodes);
    return planBytes(spec, savings) <= MAX_PLAN_BYTES;
  };
  let nodes = 1;
  while (fits(nodes + 1)) nodes += 1;
  const { spec, savings } = replacing(nodes);
  const status = endOf(spec, savings);
  const stored = Buffer.byteLength(JSON.stringify({ spec, status }));
  t.comment(`${nodes} nodes: ${stored} bytes at the end`);
  t.ok(nodes >= 30, `${nodes} nodes`);
  t.ok(stored <= MAX_STORED_BYTES, `${stored} bytes`);
  t.ok(stored > MAX_STORED_BYTES * 0.75, 'and not much less');
});

t.test('pods of one owner are detached by no surge', async (t) => {
  const [move] = planOf(1).podsToMigrate ?? [];
  if (!move) throw new Error('no move');
  const plan = (names: readonly string[]): RebalancePlanSpec => ({
    execute: false,
    podsToMigrate: names.map((name) => ({ ...move, name })),
  });
  const [one, two, three] = [['a'], ['a', 'b'], ['a', 'b', 'c']].map((names) =>
    planBytes(plan(names), SAVINGS),
  );
  t.ok((one ?? 0) + ((three ?? 0) - (two ?? 0)) > (two ?? 0), 'the first alone has room for its record');
});
