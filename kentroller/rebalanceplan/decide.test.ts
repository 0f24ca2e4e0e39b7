import t from 'tap';
import * as make from '../testing/builders.ts';
import {
  ADD,
  attempts,
  BLUE,
  canceled,
  checkCases,
  DELETE,
  MOVE,
  PENDING,
  SAVINGS,
} from '../testing/decisions.ts';
import { decide } from './decide.ts';

/** Decisions before the start, at the savings check and about pins and the webhook. */

checkCases([
  ['a plan that is canceled before its start ends', canceled(PENDING), {}, ['finish Canceled']],
  [
    'a plan with spec.execute false expires',
    {
      ...PENDING,
      metadata: { ...PENDING.metadata, creationTimestamp: make.ago(86_401) },
      spec: { execute: false },
    },
    {},
    ['finish Expired'],
  ],
  [
    'a plan that waits for a node expires too',
    { ...PENDING, metadata: { ...PENDING.metadata, creationTimestamp: make.ago(86_401) } },
    { placesOfOthers: new Set(['blue']) },
    ['finish Expired'],
  ],
  [
    'with planExpiry 0 no plan expires',
    {
      ...PENDING,
      metadata: { ...PENDING.metadata, creationTimestamp: make.ago(86_401) },
      spec: { execute: false },
    },
    { limits: { ...make.executionState(PENDING).limits, planExpiryMs: 0 } },
    ['wait-to-start NotExecuted'],
  ],
  ['a plan that changes nothing is skipped', { ...make.plan(), status: {} }, {}, ['finish Skipped']],
  [
    'a plan with spec.execute false waits',
    { ...PENDING, spec: { execute: false } },
    {},
    ['wait-to-start NotExecuted'],
  ],
  [
    'a plan that shares a node with a running plan waits',
    PENDING,
    { placesOfOthers: new Set(['blue']) },
    ['wait-to-start NodeInUse'],
  ],
  [
    'no plan starts in an unhealthy cluster',
    PENDING,
    { clusterNodes: { total: 10, unready: 5 } },
    ['wait-to-start ClusterUnhealthy'],
  ],
  ['three unready nodes halt no plan', PENDING, { clusterNodes: { total: 4, unready: 3 } }, ['start']],
  ['a plan is prepared before it starts', { ...PENDING, metadata: { name: 'plan' } }, {}, ['prepare']],
  [
    'without a threshold the savings are accepted',
    make.plan(
      { ...DELETE, ...ADD },
      { savings: SAVINGS, ...attempts({ status: 'Success' }) },
      'NodesCreated',
    ),
    BLUE,
    ['advance SavingsValidated'],
  ],
  [
    'savings below the threshold fail the plan',
    make.plan(
      { ...DELETE, ...ADD, executionPolicy: { achievedSavingsPercentageThreshold: '40' } },
      { savings: SAVINGS, ...attempts({ status: 'Success' }) },
      'NodesCreated',
    ),
    { ...BLUE, offerings: make.offerings({ ...make.PRICES, 'm5.large/us-west-2a/on-demand': 0.15 }) },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'the real price of a fallback decides, though the status counts the planned one',
    make.plan(
      { ...DELETE, ...ADD, executionPolicy: { achievedSavingsPercentageThreshold: '40' } },
      {
        savings: SAVINGS,
        ...attempts({ status: 'Failed' }, { status: 'Success', instanceType: 'c5.large' }),
      },
      'NodesCreated',
    ),
    { ...BLUE, offerings: make.offerings({ ...make.PRICES, 'c5.large/us-west-2a/on-demand': 0.15 }) },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a plan without pods waits for no pins',
    make.plan(DELETE, {}, 'SavingsValidated'),
    {},
    ['advance PinsReady'],
  ],
  [
    'pins that the pinner acknowledged are ready',
    make.plan(MOVE, {}, 'SavingsValidated'),
    {},
    ['advance PinsReady'],
  ],
  [
    'a pinner that has not acknowledged is waited for',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { pins: { connected: true, goneForMs: 0, acknowledged: false } },
    [],
  ],
  [
    'a live webhook is not waited for',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { webhook: { isLive: true, reason: '' } },
    ['advance PinsReady'],
  ],
  [
    'a webhook that is not live is waited for',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { webhook: { isLive: false, reason: 'no pin' }, now: make.NOW - 4_000 },
    [],
  ],
  [
    'after the wait the plan goes on without the webhook',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { webhook: { isLive: false, reason: 'no pin' } },
    ['advance PinsReady'],
  ],
]);

const HEALTH: readonly (readonly [number, number, string])[] = [
  [10, 5, 'wait-to-start'],
  [10, 4, 'start'],
  [5, 3, 'start'],
  [8, 4, 'wait-to-start'],
  [100, 45, 'start'],
  [100, 46, 'wait-to-start'],
];
for (const [total, unready, expected] of HEALTH) {
  t.test(`with ${unready} of ${total} nodes unready a new plan is at ${expected}`, async (t) => {
    const [step] = decide(make.executionState(PENDING, { ...BLUE, clusterNodes: { total, unready } })).steps;
    t.equal(step?.kind, expected);
  });
}

t.test('a plan that starts reports the disruption budgets of its NodePools', async (t) => {
  const [step] = decide(
    make.executionState(PENDING, { ...BLUE, poolNodes: new Map([['general', { total: 7, disrupted: 2 }]]) }),
  ).steps;
  t.match(step, { kind: 'start', budgets: [{ nodePoolName: 'general', allowedDisruptions: 5 }] });
});

t.test('a node that refuses pods is warned of once', async (t) => {
  const closedNodes = [{ node: 'node-a', reason: 'its kubelet refused 2 pods in a row (Evicted)' }];
  const pins = { connected: true, goneForMs: 0, acknowledged: true, closedNodes };
  const warningsOf = (warnings: readonly { description: string }[]) =>
    decide(
      make.executionState(make.plan(DELETE, { warnings: [...warnings] }, 'PinsReady'), { ...BLUE, pins }),
    ).steps.filter(({ reason }) => reason === 'NodeRefusesPods');
  const [warning] = warningsOf([]);
  const description = warning?.message ?? '';
  t.match(description, /No more pods are pinned to node node-a: its kubelet refused 2 pods/);
  t.same(warningsOf([{ description }]), []);
});

t.test('the condition says why the webhook is not live', async (t) => {
  const webhook = { isLive: false, reason: 'a pod came back without a pin' };
  const [step] = decide(make.executionState(make.plan(MOVE, {}, 'SavingsValidated'), { webhook })).steps;
  t.match(step, { kind: 'advance', reason: 'WebhookNotLive', message: /a pod came back without a pin/ });
});

t.test('with soft pins a policy stands for pinner and webhook, and nobody for a policy', async (t) => {
  const pins = { connected: true, goneForMs: 0, acknowledged: true, isSoft: true };
  const plan = make.plan(MOVE, {}, 'SavingsValidated');
  const stepsOf = (o: object) => decide(make.executionState(plan, { pins, ...o })).steps;
  const live = { isLive: true, reason: '' };
  t.match(stepsOf({ webhook: live }), [
    { kind: 'advance', reason: 'PinsAcknowledged', message: /admission policy/ },
  ]);
  const webhook = { isLive: false, reason: 'a pod came back without a toleration' };
  t.match(stepsOf({ webhook }), [
    { kind: 'warn', reason: 'PinsMissing', message: /castai-soft-pins steers no pods.*without a toleration/ },
    { kind: 'advance', reason: 'PinsMissing' },
  ]);
  const limits = { ...make.executionState(plan).limits, pinTimeoutMs: 0 };
  t.match(stepsOf({ pins: { ...pins, acknowledged: false }, limits }), [
    {
      kind: 'warn',
      reason: 'PinsMissing',
      message: /plan's soft pins could not be written/,
    },
    { kind: 'advance', reason: 'PinsMissing' },
  ]);
});

t.test('the same state gives the same steps', async (t) => {
  const state = make.executionState(make.plan({ ...DELETE, ...ADD }), BLUE);
  t.same(decide(state), decide(state));
});
