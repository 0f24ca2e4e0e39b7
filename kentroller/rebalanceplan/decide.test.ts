import t from 'tap';
import type { CreationAttempt, RebalancePlan, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { CANCEL } from '../../api/labels.ts';
import * as make from '../testing/builders.ts';
import { decide } from './decide.ts';
import { CORDONED_BY, LOCK_KEEPS, LOCKED_BY } from './state/labels.ts';
import type { ExecutionState } from './state/state.ts';
import type { Step } from './state/step.ts';

/** A step as a word or two: what it is, and of what. */
const tell = (step: Step): string => {
  switch (step.kind) {
    case 'create-claim':
      return `create-claim ${step.attempt.claimName} ${step.attempt.instanceType}`;
    case 'attempt-failed':
      return `attempt-failed ${step.attempt.claimName} ${step.description}`;
    case 'attempt-succeeded':
      return `attempt-succeeded ${step.attempt.claimName}`;
    case 'delete-claim':
    case 'record-deletion':
      return `${step.kind} ${step.claim}`;
    case 'lock':
    case 'unlock':
      return `${step.kind} ${step.node}${step.keeps ? ' keeps' : ''}`;
    case 'cordon':
    case 'uncordon':
    case 'release':
      return `${step.kind} ${step.node}`;
    case 'evict':
    case 'remove-pod':
      return `${step.kind} ${step.name}`;
    case 'advance':
      return `advance ${step.phase}`;
    case 'fail':
      return `fail ${step.phase} ${step.failureReason}`;
    case 'finish':
      return `finish ${step.state}`;
    case 'wait-to-start':
      return `wait-to-start ${step.reason}`;
    default:
      return step.kind;
  }
};

const DELETE = { nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] };
const ADD = { nodeClaimsToAdd: [make.toAdd('green')] };
const MOVE = {
  podsToMigrate: [
    {
      name: 'web-1',
      namespace: 'shop',
      srcNode: 'node-blue',
      dstNodeClaimName: 'green',
      owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
    },
  ],
};
const PENDING: RebalancePlan = { ...make.plan(DELETE), status: {} };
const BLUE = {
  nodeClaims: new Map([['blue', make.nodeClaim('blue')]]),
  nodes: new Map([['blue', make.locked('blue')]]),
};

const attempts = (...list: readonly Partial<CreationAttempt>[]) => ({
  nodesCreation: {
    green: {
      name: 'green',
      attempts: list.map((a) => ({
        instanceType: 'm5.large',
        nodeClaimName: 'green',
        status: 'InProgress' as const,
        capacityType: 'on-demand',
        zone: 'us-west-2a',
        timestamp: make.ago(30),
        ...a,
      })),
    },
  },
});
const draining = (since = 10) => ({
  nodesDeletion: {
    blue: { name: 'blue', events: [{ status: 'InProgress' as const, timestamp: make.ago(since) }] },
  },
});
const CORDONED = make.locked('blue', {
  annotations: { [CORDONED_BY]: 'plan' },
  labels: { 'autoscaling.cast.ai/draining': 'rebalancing' },
  spec: { unschedulable: true },
});
const RESERVED = make.node('green', {
  annotations: { 'karpenter.sh/do-not-disrupt': 'true' },
  spec: { taints: [{ key: 'scheduling.cast.ai/pod-pinning-preparing', effect: 'NoSchedule' }] },
});
const gone = (instanceType: string): UnavailableOffering => ({
  metadata: { name: instanceType },
  spec: {
    instanceType,
    zone: 'us-west-2a',
    capacityType: 'on-demand',
    reason: 'InsufficientCapacityError',
    expiresAt: make.ago(-60),
  },
});
const SAVINGS: Savings = {
  projectedSavingsPercent: '50',
  projectedSavingsCostMonthly: '73',
  currentMonthlyCost: '146',
  projectedMonthlyCost: '73',
  greenNodes: [
    {
      name: 'green',
      instanceType: 'm5.large',
      isSpot: false,
      milliCPU: 2000,
      memoryMiB: 8192,
      priceHourly: '0.1',
    },
  ],
};

const canceled = (p: RebalancePlan): RebalancePlan => ({
  ...p,
  metadata: { ...p.metadata, annotations: { ...p.metadata.annotations, [CANCEL]: 'true' } },
});

type Case = readonly [string, RebalancePlan, Partial<ExecutionState>, readonly string[]];

const CASES: readonly Case[] = [
  // Start
  [
    'a plan that is canceled before it starts is over',
    { ...PENDING, metadata: { ...PENDING.metadata, annotations: { [CANCEL]: 'true' } } },
    {},
    ['finish Canceled'],
  ],
  [
    'a plan that nobody lets go expires',
    {
      ...PENDING,
      metadata: { ...PENDING.metadata, creationTimestamp: make.ago(86_401) },
      spec: { execute: false },
    },
    {},
    ['finish Expired'],
  ],
  [
    'so does one that may not start for so long',
    { ...PENDING, metadata: { ...PENDING.metadata, creationTimestamp: make.ago(86_401) } },
    { claimsInUse: new Set(['blue']) },
    ['finish Expired'],
  ],
  [
    'unless it may wait for ever',
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
    'a plan that is not to be executed waits',
    { ...PENDING, spec: { execute: false } },
    {},
    ['wait-to-start NotExecuted'],
  ],
  [
    'a plan whose node another one uses waits',
    PENDING,
    { claimsInUse: new Set(['blue']) },
    ['wait-to-start NodeInUse'],
  ],
  [
    'no plan starts in an unhealthy cluster',
    PENDING,
    { clusterNodes: { total: 10, unready: 5 } },
    ['wait-to-start ClusterUnhealthy'],
  ],
  ['three unready nodes are no halt', PENDING, { clusterNodes: { total: 4, unready: 3 } }, ['start']],
  [
    'a plan notes what stands where before it starts',
    { ...PENDING, metadata: { name: 'plan' } },
    {},
    ['prepare'],
  ],
  // Lock
  [
    'nodes are locked first',
    make.plan(DELETE),
    { ...BLUE, nodes: new Map([['blue', make.node('blue')]]) },
    ['lock node-blue'],
  ],
  [
    'a lock of its user stays when ours goes',
    make.plan(DELETE),
    {
      ...BLUE,
      nodes: new Map([
        ['blue', make.node('blue', { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } })],
      ]),
    },
    ['lock node-blue keeps'],
  ],
  ['a node that is gone ends the plan', make.plan(DELETE), {}, ['fail Creation FailureReasonNodeGone']],
  [
    'so does a node that Karpenter is disrupting',
    make.plan(DELETE),
    {
      ...BLUE,
      nodes: new Map([
        [
          'blue',
          make.locked('blue', {
            spec: { taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }] },
          }),
        ],
      ]),
    },
    ['fail Creation FailureReasonNodeDisrupted'],
  ],
  // Creation
  [
    'the first alternative is ordered',
    make.plan({ ...DELETE, ...ADD }),
    BLUE,
    ['create-claim green m5.large'],
  ],
  [
    'one known to be unavailable is passed over',
    make.plan(ADD),
    { unavailable: [gone('m5.large')] },
    ['create-claim green c5.large'],
  ],
  [
    'with all unavailable the plan fails',
    make.plan(ADD),
    { unavailable: [gone('m5.large'), gone('c5.large')] },
    ['fail Creation FailureReasonNodeCreateFailed'],
  ],
  [
    'a NodePool that is gone ends the plan',
    make.plan(ADD),
    { nodePools: new Map() },
    ['fail Creation FailureReasonNodePoolGone'],
  ],
  [
    'limits of the NodePool end it before anything is ordered',
    make.plan(ADD, { savings: SAVINGS }),
    { nodePools: new Map([['general', make.nodePool('general', { limits: { cpu: '1' } })]]) },
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'nodes of a static NodePool are not added to',
    make.plan(ADD),
    { nodePools: new Map([['general', make.nodePool('general', { replicas: 3 })]]) },
    ['fail Creation FailureReasonStaticNodePool'],
  ],
  [
    'nor removed',
    make.plan(DELETE),
    { ...BLUE, nodePools: new Map([['general', make.nodePool('general', { replicas: 3 })]]) },
    ['fail Creation FailureReasonStaticNodePool'],
  ],
  [
    'a claim that is on its way is waited for',
    make.plan(ADD, attempts({})),
    { nodeClaims: new Map([['green', make.nodeClaim('green', {}, false)]]) },
    [],
  ],
  [
    'the reason for a lost claim may still come',
    make.plan(ADD, attempts({ timestamp: make.ago(1) })),
    {},
    [],
  ],
  [
    'no capacity is told and remembered',
    make.plan(ADD, attempts({})),
    { claimFailures: new Map([['green', 'InsufficientCapacityError: none']]) },
    ['attempt-failed green InsufficientCapacityError'],
  ],
  [
    'a claim deleted by hand is not a lack of capacity',
    make.plan(ADD, attempts({})),
    {},
    ['attempt-failed green the NodeClaim is gone'],
  ],
  [
    'attempt 2 takes the next alternative',
    make.plan(ADD, attempts({ status: 'Failed' })),
    {},
    ['create-claim green-attempt-2 c5.large'],
  ],
  [
    'attempts used up end the plan',
    make.plan(
      ADD,
      attempts(
        { status: 'Failed' },
        { status: 'Failed', instanceType: 'c5.large', nodeClaimName: 'green-attempt-2' },
      ),
    ),
    {},
    ['fail Creation FailureReasonNodeCreateFailed'],
  ],
  [
    'a ready and initialized node is a success',
    make.plan(ADD, attempts({})),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
    },
    ['attempt-succeeded green'],
  ],
  [
    'a machine that never joins is given up',
    make.plan(ADD, attempts({})),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green', { creationTimestamp: make.ago(601) }, false)]]),
    },
    ['attempt-failed green the machine did not join within 600 s'],
  ],
  [
    'pods go off a placeholder before its claim goes',
    make.plan(ADD, attempts({ status: 'Failed' })),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green', {}, false)]]),
      nodes: new Map([['green', make.node('green', { ready: false })]]),
      pods: new Map([['green', [make.pod('web-1')]]]),
    },
    ['create-claim green-attempt-2 c5.large', 'remove-pod web-1'],
  ],
  [
    'when all nodes are there creation is over',
    make.plan(ADD, attempts({ status: 'Success' })),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
    },
    ['advance NodesCreated'],
  ],
  // Savings
  [
    'a plan without a threshold goes on',
    make.plan(ADD, { savings: SAVINGS, ...attempts({ status: 'Success' }) }, 'NodesCreated'),
    {},
    ['advance SavingsValidated'],
  ],
  [
    'savings below the threshold end the plan',
    make.plan(
      { ...ADD, executionPolicy: { achievedSavingsPercentageThreshold: '40' } },
      { savings: SAVINGS, ...attempts({ status: 'Success' }) },
      'NodesCreated',
    ),
    { priceOf: () => 0.15 },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a fallback type counts with the planned price',
    make.plan(
      { ...ADD, executionPolicy: { achievedSavingsPercentageThreshold: '40' } },
      {
        savings: SAVINGS,
        ...attempts({ status: 'Failed' }, { status: 'Success', instanceType: 'c5.large' }),
      },
      'NodesCreated',
    ),
    { priceOf: () => 0.15 },
    ['advance SavingsValidated'],
  ],
  // Pins
  ['no pods, no pins to wait for', make.plan(DELETE, {}, 'SavingsValidated'), {}, ['advance PinsReady']],
  ['a pinner that knows all pins', make.plan(MOVE, {}, 'SavingsValidated'), {}, ['advance PinsReady']],
  [
    'a pinner that has not answered is waited for',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { pins: { connected: true, goneForMs: 0, acknowledged: false } },
    [],
  ],
  // The webhook
  [
    'a live webhook is not waited for',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { webhook: { isLive: true, reason: '' } },
    ['advance PinsReady'],
  ],
  [
    'a webhook that is not live yet is waited for a moment',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { webhook: { isLive: false, reason: 'no pin' }, now: make.NOW - 4_000 },
    [],
  ],
  [
    'a webhook that is not live in time is gone without',
    make.plan(MOVE, {}, 'SavingsValidated'),
    { webhook: { isLive: false, reason: 'no pin' } },
    ['advance PinsReady'],
  ],
  // Deletion
  [
    'a node is cordoned and told',
    make.plan(DELETE, {}, 'PinsReady'),
    BLUE,
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'a pod that leaves a node which stays goes before any node does',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1')] },
    ['evict web-1'],
  ],
  [
    'until it is gone its room is not free: no node begins',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1', { deletionTimestamp: make.ago(1) })] },
    [],
  ],
  [
    'one of the same name that came back since is left where it is',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('db-0', { creationTimestamp: make.ago(-1) })] },
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'one that does not go in time is gone without',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1')], now: make.NOW + 700_000 },
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'a budget of the NodePool holds it back',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, poolNodes: new Map([['general', { total: 1, disrupted: 1 }]]) },
    [],
  ],
  [
    'a cordon that was lost is made again',
    make.plan(DELETE, draining(), 'PinsReady'),
    BLUE,
    ['cordon node-blue'],
  ],
  [
    'its pods are evicted; DaemonSets, finished and going ones are not',
    make.plan(DELETE, draining(), 'PinsReady'),
    {
      ...BLUE,
      nodes: new Map([['blue', CORDONED]]),
      pods: new Map([
        [
          'blue',
          [
            make.pod('web-1'),
            {
              ...make.pod('ds'),
              metadata: {
                ...make.pod('ds').metadata,
                ownerReferences: [
                  { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'ds', uid: 'ds', controller: true },
                ],
              },
            },
            { ...make.pod('done'), status: { phase: 'Succeeded' } },
            make.pod('going', { deletionTimestamp: make.ago(1) }),
            make.pod('static', { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
          ],
        ],
      ]),
    },
    ['evict web-1'],
  ],
  [
    'a pod that its budget protects is asked for later',
    make.plan(DELETE, draining(), 'PinsReady'),
    {
      ...BLUE,
      nodes: new Map([['blue', CORDONED]]),
      pods: new Map([['blue', [make.pod('web-1')]]]),
      evictionRetryAt: new Map([['web-1-uid', make.NOW + 1000]]),
    },
    [],
  ],
  [
    'an empty node loses its claim',
    make.plan(DELETE, draining(), 'PinsReady'),
    { ...BLUE, nodes: new Map([['blue', CORDONED]]) },
    ['delete-claim blue'],
  ],
  ['a claim that is gone is told', make.plan(DELETE, draining(), 'PinsReady'), {}, ['record-deletion blue']],
  [
    'a drain that takes too long fails the plan',
    make.plan(DELETE, draining(601), 'PinsReady'),
    { ...BLUE, nodes: new Map([['blue', CORDONED]]), pods: new Map([['blue', [make.pod('web-1')]]]) },
    ['fail Deletion FailureReasonDrainTimeout'],
  ],
  // Settling
  [
    'pods that have not come are waited for',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    { nodeClaims: new Map([['green', make.nodeClaim('green')]]), nodes: new Map([['green', RESERVED]]) },
    [],
  ],
  [
    'a pod that waits too long for its pin opens the nodes',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', RESERVED]]),
      unscheduledPods: [make.pod('web-2', { creationTimestamp: make.ago(11) })],
    },
    ['release node-green'],
  ],
  [
    'with all pods there the nodes are opened',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', RESERVED]]),
      pods: new Map([['green', [make.pod('web-2')]]]),
    },
    ['release node-green'],
  ],
  [
    'and the plan is done',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
      pods: new Map([['green', [make.pod('web-2')]]]),
    },
    ['finish Done'],
  ],
  // Rollback
  [
    'a failed creation unlocks and takes back what it made',
    make.plan({ ...DELETE, ...ADD }, { failurePhase: 'Creation', failureReason: 'x', ...attempts({}) }),
    {
      nodeClaims: new Map([
        ...BLUE.nodeClaims,
        [
          'green',
          make.nodeClaim('green', {
            labels: make.madeBy('plan'),
            annotations: { 'karpenter.sh/do-not-disrupt': 'true' },
          }),
        ],
      ]),
      nodes: BLUE.nodes,
    },
    ['unlock node-blue', 'delete-claim green'],
  ],
  [
    'a lock that was there before stays after a failure',
    make.plan(DELETE, { failurePhase: 'Creation', failureReason: 'x' }),
    { ...BLUE, nodes: new Map([['blue', make.locked('blue', { annotations: { [LOCK_KEEPS]: 'true' } })]]) },
    ['unlock node-blue keeps'],
  ],
  [
    'a failed deletion opens old and new nodes',
    make.plan(
      { ...DELETE, ...ADD },
      { failurePhase: 'Deletion', failureReason: 'x', ...attempts({ status: 'Success' }) },
    ),
    {
      nodeClaims: new Map([...BLUE.nodeClaims, ['green', make.nodeClaim('green')]]),
      nodes: new Map([
        ['blue', CORDONED],
        ['green', RESERVED],
      ]),
    },
    ['uncordon node-blue', 'release node-green', 'unlock node-blue'],
  ],
  [
    'with nothing left to take back it has failed',
    make.plan(DELETE, { failurePhase: 'Deletion', failureReason: 'x' }),
    {},
    ['finish Failed'],
  ],
  [
    'a plan deleted while it runs is taken back',
    { ...make.plan(DELETE), metadata: { ...make.plan().metadata, deletionTimestamp: make.ago(1) } },
    BLUE,
    ['fail Creation Canceled'],
  ],
  [
    'a plan that is canceled while it orders is taken back',
    canceled(make.plan({ ...DELETE, ...ADD })),
    BLUE,
    ['fail Creation Canceled'],
  ],
  [
    'while it drains its nodes are opened again',
    canceled(make.plan(DELETE, draining(), 'PinsReady')),
    BLUE,
    ['fail Deletion Canceled'],
  ],
  [
    'once its nodes are gone it is carried to its end',
    canceled(make.plan(DELETE, {}, 'NodesDeleted')),
    {},
    ['finish Done'],
  ],
  [
    'a plan that is out of time fails in the phase it is in',
    make.plan(DELETE, { startTime: make.ago(3601) }, 'SavingsValidated'),
    BLUE,
    ['fail Deletion FailureReasonTimeout'],
  ],
  [
    'the finalizer of an ended plan is removed',
    make.plan(DELETE, { state: 'Done' }),
    {},
    ['remove-finalizer'],
  ],
];

const WHAT_TO_DO = /\b(make|raise|lower|allow|look|label|plan|set)\b/i;
t.test('every failure says what to do', async (t) => {
  const failures = CASES.flatMap(([, plan, more]) => decide(make.executionState(plan, more)).steps).filter(
    (step) => step.kind === 'fail' && step.failureReason !== 'Canceled',
  );
  t.ok(failures.length > 5);
  for (const { message } of failures) t.match(message.split(/[:.] /).slice(1).join(' '), WHAT_TO_DO, message);
});

const HEALTH: readonly (readonly [number, number, string])[] = [
  [10, 5, 'wait-to-start'],
  [10, 4, 'start'],
  [5, 3, 'start'],
  [8, 4, 'wait-to-start'],
  [100, 45, 'start'],
  [100, 46, 'wait-to-start'],
];
for (const [total, unready, expected] of HEALTH) {
  t.test(`with ${unready} of ${total} nodes unready a new plan comes to ${expected}`, async (t) => {
    const [step] = decide(make.executionState(PENDING, { ...BLUE, clusterNodes: { total, unready } })).steps;
    t.equal(step?.kind, expected);
  });
}

t.test('a plan that starts tells what the budgets of its NodePools allow', async (t) => {
  const [step] = decide(
    make.executionState(PENDING, { ...BLUE, poolNodes: new Map([['general', { total: 7, disrupted: 2 }]]) }),
  ).steps;
  t.match(step, { kind: 'start', budgets: [{ nodePoolName: 'general', allowedDisruptions: 5 }] });
});

t.test('a cluster that gets unhealthy later does not stop what runs', async (t) => {
  const running = make.plan(DELETE, {}, 'PinsReady');
  const state = make.executionState(running, { ...BLUE, clusterNodes: { total: 10, unready: 9 } });
  t.same(decide(state).steps.map(tell), ['record-deletion blue', 'cordon node-blue']);
});

t.test('so many nodes are emptied at once, and the next one when one is gone', async (t) => {
  const names = ['b1', 'b2', 'b3', 'b4'];
  const begun = (...of: readonly string[]) => ({
    nodesDeletion: Object.fromEntries(
      of.map((name) => [name, { name, events: [{ status: 'InProgress' as const, timestamp: make.ago(5) }] }]),
    ),
  });
  const cordonsOf = (of: readonly string[], there: readonly string[]): string[] =>
    decide(
      make.executionState(
        make.plan(
          { nodeClaimsToDelete: names.map((nodeClaimName) => ({ nodeClaimName })) },
          begun(...of),
          'PinsReady',
        ),
        {
          nodeClaims: new Map(there.map((name) => [name, make.nodeClaim(name)])),
          nodes: new Map(there.map((name) => [name, make.locked(name)])),
          pods: new Map(there.map((name) => [name, [make.pod(`on-${name}`)]])),
          limits: { ...make.executionState(PENDING).limits, maxSimultaneousDrains: 2 },
        },
      ),
    )
      .steps.filter((s) => s.kind === 'record-deletion' && s.status === 'InProgress')
      .map(tell);
  t.same(cordonsOf([], names), ['record-deletion b1', 'record-deletion b2']);
  t.same(cordonsOf(['b1', 'b2'], names), []);
  t.same(cordonsOf(['b1', 'b2'], ['b2', 'b3', 'b4']), ['record-deletion b3']);
});

for (const [name, plan, more, expected] of CASES) {
  t.test(name, async (t) => t.same(decide(make.executionState(plan, more)).steps.map(tell), expected));
}

t.test('what was achieved is measured with the prices of the machines that are there', async (t) => {
  const labels = {
    'karpenter.sh/nodepool': 'general',
    'node.kubernetes.io/instance-type': 'm5.large',
    'topology.kubernetes.io/zone': 'us-west-2a',
    'karpenter.sh/capacity-type': 'spot',
  };
  const plan = make.plan(
    { ...ADD, ...MOVE },
    { savings: SAVINGS, ...attempts({ status: 'Success' }) },
    'NodesDeleted',
  );
  const there = {
    nodeClaims: new Map([['green', make.nodeClaim('green', { labels })]]),
    nodes: new Map([['green', make.node('green')]]),
    pods: new Map([['green', [make.pod('web-2')]]]),
  };
  const outcomeOf = (priceOf: ExecutionState['priceOf']) => {
    const [step] = decide(make.executionState(plan, { ...there, priceOf })).steps;
    return step?.kind === 'finish' ? step.outcome : undefined;
  };
  const spot: ExecutionState['priceOf'] = (...offering) =>
    offering.join() === 'm5.large,us-west-2a,spot' ? 0.05 : undefined;
  t.same(outcomeOf(spot), {
    podsPlanned: 1,
    podsPlaced: 1,
    monthlyCost: '36.50',
    savingsPercent: '75.0',
    savingsCostMonthly: '109.50',
  });
  t.match(
    outcomeOf(() => undefined),
    { monthlyCost: '73.00', savingsPercent: '50.0' },
  );
});

t.test('a plan that goes on without the webhook says so and why', async (t) => {
  const webhook = { isLive: false, reason: 'a pod came back without a pin' };
  const [step] = decide(make.executionState(make.plan(MOVE, {}, 'SavingsValidated'), { webhook })).steps;
  t.match(step, { kind: 'advance', reason: 'WebhookNotLive', message: /a pod came back without a pin/ });
});

t.test('the same world gives the same steps', async (t) => {
  const state = make.executionState(make.plan({ ...DELETE, ...ADD }), BLUE);
  t.same(decide(state), decide(state));
});

t.test('an ordered claim is as Karpenter would have made it, reserved and guarded', async (t) => {
  const [step] = decide(make.executionState(make.plan(ADD))).steps;
  t.equal(step?.kind, 'create-claim');
  if (step?.kind !== 'create-claim') return;
  const { metadata, spec } = step.claim;
  t.match(metadata.labels, {
    'karpenter.sh/nodepool': 'general',
    'karpenter.k8s.aws/ec2nodeclass': 'default',
    'autoscaling.cast.ai/rebalance-plan': 'plan',
    team: 'a',
  });
  t.match(metadata.annotations, {
    'karpenter.sh/nodepool-hash': '1',
    'karpenter.sh/nodepool-hash-version': 'v3',
    'karpenter.sh/do-not-disrupt': 'true',
  });
  t.match(metadata.ownerReferences, [{ kind: 'NodePool', uid: 'general-uid', blockOwnerDeletion: true }]);
  t.same(
    spec.taints?.map((taint) => taint.key),
    ['dedicated', 'scheduling.cast.ai/pod-pinning-preparing'],
  );
  t.equal(spec.expireAfter, '720h');
  t.notOk(LOCKED_BY in (metadata.annotations ?? {}));
});
