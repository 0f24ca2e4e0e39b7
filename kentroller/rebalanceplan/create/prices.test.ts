import t from 'tap';
import type { CreationAttempt, NodeClaimToAdd, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { NodeClaim, Requirement } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, CORDONED, checkCases, DELETE, draining, SAVINGS } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';
import type { Step } from '../state/step.ts';

/** Prices at the act: the nodes that go cost 0.2 USD an hour, and those that come may not cost more. */

const green = (name: string, ...types: readonly (readonly string[])[]): NodeClaimToAdd =>
  make.toAdd(name, types);
const zonesOf = (...zones: readonly string[]): NodeClaimToAdd => {
  const planned = green('green', ['m5.large', 'c5.large']);
  const [first] = planned.alternatives ?? [];
  const zone = { key: 'topology.kubernetes.io/zone', operator: 'In' as const, values: [...zones] };
  const requirements = (first?.requirements ?? []).map((each) => (each.key === zone.key ? zone : each));
  return { ...planned, alternatives: [{ requirements, priceHourly: '0.1' }] };
};
const at = (prices: Readonly<Record<string, number>>) =>
  make.offerings({
    'm5.xlarge/us-west-2a/on-demand': 0.2,
    ...Object.fromEntries(Object.entries(prices).map(([k, p]) => [`${k}/us-west-2a/on-demand`, p])),
  });
const attempt = (name: string, o: Partial<CreationAttempt>): CreationAttempt => ({
  instanceType: 'm5.large',
  nodeClaimName: name,
  status: 'InProgress',
  capacityType: 'on-demand',
  zone: 'us-west-2a',
  alternative: 0,
  timestamp: make.ago(30),
  ...o,
});
const attempts = (all: Readonly<Record<string, readonly CreationAttempt[]>>) => ({
  nodesCreation: Object.fromEntries(
    Object.entries(all).map(([name, list]) => [name, { name, attempts: [...list] }]),
  ),
});
const replace = (adds: readonly NodeClaimToAdd[], o: RebalancePlan['spec'] | object = {}) => ({
  ...DELETE,
  nodeClaimsToAdd: [...adds],
  ...o,
});
const requiring = (name: string, ...types: readonly string[]): NodeClaim => ({
  ...make.nodeClaim(name, {}, false),
  spec: {
    ...make.nodeClaim(name).spec,
    requirements: [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: [...types] }],
  },
});
const launched = (name: string, offering: string): NodeClaim =>
  make.nodeClaim(name, {
    labels: { 'karpenter.sh/nodepool': 'general', ...make.machineLabels(offering) },
  });
const withClaims = (...claims: readonly NodeClaim[]): Partial<ExecutionState> => ({
  ...BLUE,
  nodeClaims: new Map([...BLUE.nodeClaims, ...claims.map((c) => [c.metadata.name, c] as const)]),
  nodes: new Map([
    ...BLUE.nodes,
    ...claims.map((c) => [c.metadata.name, make.node(c.metadata.name)] as const),
  ]),
});
const THRESHOLD = { executionPolicy: { achievedSavingsPercentageThreshold: '40' } };
const ONE = [green('green', ['m5.large'], ['c5.large'])];
const TWO = [green('one', ['m5.large']), green('two', ['m5.large'])];

checkCases([
  [
    'a fallback that costs more than the nodes that go is not ordered',
    make.plan(replace(ONE), attempts({ green: [attempt('green', { status: 'Failed' })] })),
    { ...BLUE, offerings: at({ 'm5.large': 0.1, 'c5.large': 0.21 }) },
    ['fail Creation FailureReasonNodeCreateFailed'],
  ],
  [
    'a fallback that saves is ordered',
    make.plan(replace(ONE), attempts({ green: [attempt('green', { status: 'Failed' })] })),
    { ...BLUE, offerings: at({ 'm5.large': 0.1, 'c5.large': 0.2 }) },
    ['create-claim green-attempt-2 c5.large'],
  ],
  [
    'a fallback that saves less than the threshold is not ordered',
    make.plan(replace(ONE, THRESHOLD), attempts({ green: [attempt('green', { status: 'Failed' })] })),
    { ...BLUE, offerings: at({ 'm5.large': 0.1, 'c5.large': 0.13 }) },
    ['fail Creation FailureReasonNodeCreateFailed'],
  ],
  [
    'an alternative without a price is passed over',
    make.plan(replace(ONE)),
    { ...BLUE, offerings: at({ 'c5.large': 0.15 }) },
    ['create-claim green c5.large'],
  ],
  [
    'a plan without a price for any alternative orders nothing',
    make.plan(replace(ONE)),
    { ...BLUE, offerings: make.offerings({ 'm5.large/us-west-2b/on-demand': 0.1 }) },
    ['fail Creation FailureReasonPriceUnknown'],
  ],
  [
    'a plan that waits until prices are known says so',
    make.plan(replace(ONE)),
    { ...BLUE, offerings: undefined },
    ['wait-in-phase WaitingForPrices'],
  ],
  [
    'so does one whose savings check waits for them',
    make.plan(replace(ONE), attempts({ one: [attempt('one', {})] }), 'NodesCreated'),
    { ...BLUE, offerings: undefined },
    ['wait-in-phase WaitingForPrices'],
  ],
  [
    'a removed node without a price saves nothing',
    make.plan(replace(ONE)),
    { ...BLUE, offerings: make.offerings({ 'm5.large/us-west-2a/on-demand': 0.1 }) },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'the cap holds for all added nodes together',
    make.plan(replace(TWO)),
    { ...BLUE, offerings: at({ 'm5.large': 0.11 }) },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a machine that was launched counts at its real price',
    make.plan(
      replace([green('one', ['m5.large', 'c5.large']), green('two', ['m5.large'], ['r5.large'])]),
      attempts({ one: [attempt('one', {})], two: [attempt('two', { status: 'Failed' })] }),
    ),
    {
      ...withClaims(launched('one', 'c5.large/us-west-2a/on-demand')),
      offerings: at({ 'm5.large': 0.1, 'c5.large': 0.15, 'r5.large': 0.06 }),
    },
    ['fail Creation FailureReasonNodeCreateFailed'],
  ],
  [
    'a machine on its way may come out cheap enough, so the next order waits',
    make.plan(
      replace([green('one', ['m5.large', 'c5.large']), green('two', ['r5.large'], ['m5.large'])]),
      attempts({ one: [attempt('one', {})], two: [attempt('two', { status: 'Failed' })] }),
    ),
    {
      ...withClaims(requiring('one', 'm5.large', 'c5.large')),
      offerings: at({ 'm5.large': 0.09, 'c5.large': 0.12, 'r5.large': 0.09 }),
    },
    ['wait-in-phase WaitingForMachines'],
  ],
  [
    'a machine that Karpenter launched dearer than allowed ends the plan in Creation',
    make.plan(replace(ONE), attempts({ green: [attempt('green', {})] })),
    {
      ...withClaims(launched('green', 'c5.large/us-west-2a/on-demand')),
      offerings: at({ 'm5.large': 0.1, 'c5.large': 0.3 }),
    },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a machine that Karpenter launched at an unknown price ends the plan in Creation',
    make.plan(replace(ONE), attempts({ green: [attempt('green', {})] })),
    {
      ...withClaims(launched('green', 'x9.large/us-west-2a/on-demand')),
      offerings: at({ 'm5.large': 0.1 }),
    },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a plan that costs more is rolled back without a threshold, too',
    make.plan(replace(ONE), attempts({ green: [attempt('green', { status: 'Success' })] }), 'NodesCreated'),
    {
      ...withClaims(launched('green', 'm5.large/us-west-2a/on-demand')),
      offerings: at({ 'm5.large': 0.21 }),
    },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a removed node that went without the plan saves nothing',
    make.plan(replace(ONE), attempts({ green: [attempt('green', { status: 'Success' })] }), 'NodesCreated'),
    {
      nodeClaims: new Map([['green', launched('green', 'm5.large/us-west-2a/on-demand')]]),
      nodes: new Map([['green', make.node('green')]]),
    },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a price that rises while the plan waits for its pins rolls it back',
    make.plan(
      replace(ONE),
      attempts({ green: [attempt('green', { status: 'Success' })] }),
      'SavingsValidated',
    ),
    {
      ...withClaims(launched('green', 'm5.large/us-west-2a/on-demand')),
      offerings: at({ 'm5.large': 0.21 }),
    },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a price that rises while the plan waits for a disruption budget rolls it back',
    make.plan(replace(ONE), attempts({ green: [attempt('green', { status: 'Success' })] }), 'PinsReady'),
    {
      ...withClaims(launched('green', 'm5.large/us-west-2a/on-demand')),
      nodePools: new Map([
        ['general', make.nodePool('general', { disruption: { budgets: [{ nodes: '0' }] } })],
      ]),
      offerings: at({ 'm5.large': 0.21 }),
    },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'once a drain has begun the plan goes on at any price',
    make.plan(
      replace(ONE),
      { ...attempts({ green: [attempt('green', { status: 'Success' })] }), ...draining() },
      'PinsReady',
    ),
    {
      ...withClaims(launched('green', 'm5.large/us-west-2a/on-demand')),
      nodes: new Map([
        ['blue', CORDONED],
        ['green', make.node('green')],
      ]),
      offerings: at({ 'm5.large': 0.21 }),
    },
    ['delete-claim blue'],
  ],
  [
    'a node that a pod keeps from going saves nothing',
    make.plan(replace(ONE), attempts({ green: [attempt('green', { status: 'Success' })] }), 'NodesCreated'),
    {
      ...withClaims(launched('green', 'm5.large/us-west-2a/on-demand')),
      pods: new Map([['blue', [make.pod('p', { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } })]]]),
    },
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
  [
    'a plan that buys for pending pods is bound by no price',
    make.plan({
      nodeClaimsToAdd: [...ONE],
      podsToMigrate: [{ name: 'p', namespace: 'shop', srcNode: '', dstNodeClaimName: 'green' }],
    }),
    { offerings: at({ 'm5.large': 9 }) },
    ['create-claim green m5.large'],
  ],
]);

const ordered = (step: Step | undefined) => {
  if (step?.kind !== 'create-claim') return undefined;
  const values = (key: string): readonly string[] =>
    (step.claim.spec.requirements as readonly Requirement[]).find((r) => r.key === key)?.values ?? [];
  return {
    types: values('node.kubernetes.io/instance-type'),
    zones: values('topology.kubernetes.io/zone'),
    cap: step.attempt.priceCapHourly,
  };
};

t.test(
  'what is ordered names only what is cheap enough, so that Karpenter can pick nothing dearer',
  async (t) => {
    const plan = make.plan(replace([zonesOf('us-west-2a', 'us-west-2b')]), { savings: SAVINGS });
    const offerings = make.offerings({
      ...make.PRICES,
      'c5.large/us-west-2a/on-demand': 0.11,
      'm5.large/us-west-2b/on-demand': 0.1,
      'c5.large/us-west-2b/on-demand': 0.3,
    });
    const { steps } = decide(make.executionState(plan, { ...BLUE, offerings }));
    const order = ordered(steps[0]);
    t.equal(steps.length, 1);
    t.notOk(order?.types.includes('c5.large') && order.zones.includes('us-west-2b'), JSON.stringify(order));
    t.ok(Number(order?.cap) <= 0.2);
  },
);

t.test('a refusal closes only the offerings that were ordered', async (t) => {
  const planned = { ...zonesOf('us-west-2a', 'us-west-2b') };
  const failed = attempt('green', { priceCapHourly: '0.11' });
  const plan = make.plan(replace([planned]), attempts({ green: [failed] }));
  const offerings = make.offerings({ ...make.PRICES, 'c5.large/us-west-2b/on-demand': 0.3 });
  const claimFailures = new Map([['green', 'InsufficientCapacityError: none']]);
  const { steps } = decide(make.executionState(plan, { ...BLUE, offerings, claimFailures }));
  const [step] = steps;
  const refused = step?.kind === 'attempt-failed' ? step.offerings : [];
  t.notOk(refused.some((o) => o.instanceType === 'c5.large' && o.zone === 'us-west-2b'));
  t.ok(refused.some((o) => o.instanceType === 'c5.large' && o.zone === 'us-west-2a'));
});
