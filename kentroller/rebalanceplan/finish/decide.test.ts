import t from 'tap';
import type { NodeCost } from '../../../api/kinds/rebalanceplan.ts';
import { makePool } from '../../../planner/testing/builders.ts';
import { Offerings } from '../../cloud/offerings.ts';
import * as make from '../../testing/builders.ts';
import { ADD, attempts, BLUE, checkCases, DELETE, MOVE, RESERVED, SAVINGS } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';

/** Decisions at the end of a plan. */

const BUYS = { podsToMigrate: MOVE.podsToMigrate.map((move) => ({ ...move, srcNode: '' })) };

/** The node that the plan removed, at 0.2 USD per hour. */
const GONE: NodeCost = {
  name: 'node-blue',
  instanceType: 'm5.xlarge',
  isSpot: false,
  milliCPU: 4000,
  memoryMiB: 16_384,
  priceHourly: '0.2',
  zone: 'us-west-2a',
  capacityType: 'on-demand',
};
const VALIDATED = { validatedSavings: { ...SAVINGS, blueNodes: [GONE] } };
const DONE = make.plan(
  { ...DELETE, ...ADD, ...MOVE },
  { ...VALIDATED, ...attempts({ status: 'Success' }) },
  'NodesDeleted',
);
const RUNNING = {
  nodeClaims: new Map([['green', make.nodeClaim('green')]]),
  nodes: new Map([['green', make.node('green')]]),
  pods: new Map([['green', [make.pod('web-2')]]]),
};
const at = (price: number) => make.offerings({ ...make.PRICES, 'm5.large/us-west-2a/on-demand': price });

checkCases([
  [
    'pods that have not arrived are waited for',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    { nodeClaims: new Map([['green', make.nodeClaim('green')]]), nodes: new Map([['green', RESERVED]]) },
    [],
  ],
  [
    'pods of a purchase that found room elsewhere are not waited for',
    make.plan({ ...ADD, ...BUYS }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
    },
    ['warn', 'finish DoneWithWarnings'],
  ],
  [
    'pods of a purchase that have no node yet are waited for',
    make.plan({ ...ADD, ...BUYS }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
      pendingPods: [make.pod('web-1')],
    },
    [],
  ],
  [
    'pods of a purchase that are starting on their node are waited for',
    make.plan({ ...ADD, ...BUYS }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
      pods: new Map([['green', [{ ...make.pod('web-1'), status: { phase: 'Pending' } }]]]),
    },
    [],
  ],
  [
    'pods are not waited for where the node that was to take them is gone',
    make.plan(MOVE, {}, 'NodesDeleted'),
    {},
    ['warn', 'finish DoneWithWarnings'],
  ],
  [
    'a pod that waits too long for its pin opens the added nodes',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      now: make.NOW + 10_000,
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', RESERVED]]),
      unscheduledPods: [make.pod('web-2', { creationTimestamp: make.ago(1) })],
    },
    ['release node-green'],
  ],
  [
    'the added nodes are released when all pods run',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', RESERVED]]),
      pods: new Map([['green', [make.pod('web-2')]]]),
    },
    ['release node-green'],
  ],
  ['the plan is done when all nodes are released', DONE, RUNNING, ['finish Done']],
  [
    'a plan whose nodes became dearer than those that went is not simply done',
    DONE,
    { ...RUNNING, offerings: at(0.21) },
    ['warn', 'finish DoneWithWarnings'],
  ],
  [
    'a removed node counts at its price now',
    DONE,
    {
      ...RUNNING,
      offerings: make.offerings({ ...make.PRICES, 'm5.xlarge/us-west-2a/on-demand': 0.09 }),
    },
    ['warn', 'finish DoneWithWarnings'],
  ],
  [
    'a node that the plan could not remove saves nothing',
    DONE,
    {
      ...RUNNING,
      nodeClaims: new Map([...RUNNING.nodeClaims, ...BLUE.nodeClaims]),
      nodes: new Map([...RUNNING.nodes, ['blue', make.node('blue')]]),
    },
    ['warn', 'finish DoneWithWarnings'],
  ],
  [
    'a plan that buys for pending pods may cost more',
    make.plan(
      { ...ADD, podsToMigrate: MOVE.podsToMigrate.map((move) => ({ ...move, srcNode: '' })) },
      attempts({ status: 'Success' }),
      'NodesDeleted',
    ),
    RUNNING,
    ['finish Done'],
  ],
]);

t.test('the outcome is computed with the prices of the nodes that were launched', async (t) => {
  const labels = {
    'karpenter.sh/nodepool': 'general',
    'node.kubernetes.io/instance-type': 'm5.large',
    'topology.kubernetes.io/zone': 'us-west-2a',
    'karpenter.sh/capacity-type': 'spot',
  };
  const there = { ...RUNNING, nodeClaims: new Map([['green', make.nodeClaim('green', { labels })]]) };
  const outcomeOf = (offerings: Offerings) => {
    const [step] = decide(make.executionState(DONE, { ...there, offerings })).steps;
    return step?.kind === 'finish' ? step.outcome : undefined;
  };
  t.same(outcomeOf(make.offerings({ ...make.PRICES, 'm5.large/us-west-2a/spot': 0.05 })), {
    podsPlanned: 1,
    podsPlaced: 1,
    monthlyCost: '36.50',
    savingsPercent: '75.0',
    savingsCostMonthly: '109.50',
  });
  t.same(outcomeOf(make.offerings({})), { podsPlanned: 1, podsPlaced: 1 }, 'what is not known is not said');
});

/** A waiting pod that is to go to node `old`, where another pod of its owner runs already. */
const TO_OLD = {
  podsToMigrate: MOVE.podsToMigrate.map((move) => ({ ...move, srcNode: '', dstNodeClaimName: 'old' })),
};
const OLD = {
  nodeClaims: new Map([['old', make.nodeClaim('old')]]),
  nodes: new Map([['old', make.node('old')]]),
};
const ELSEWHERE: readonly (readonly [
  string,
  ReturnType<typeof make.plan>,
  Parameters<typeof make.executionState>[1],
  number,
])[] = [
  ['where the plan put it', DONE, RUNNING, 1],
  [
    'on a node that the plan removes',
    DONE,
    {
      ...RUNNING,
      nodeClaims: new Map([...RUNNING.nodeClaims, ...BLUE.nodeClaims]),
      nodes: new Map([...RUNNING.nodes, ['blue', make.node('blue')]]),
      pods: new Map([['blue', [make.pod('web-2')]]]),
    },
    0,
  ],
  ['on a node that is none of the plan', DONE, { ...RUNNING, pods: new Map() }, 0],
  [
    'under another owner there',
    DONE,
    { ...RUNNING, pods: new Map([['green', [make.pod('other-1', {}, 'other')]]]) },
    0,
  ],
  [
    'elsewhere, beside a pod of its owner that was there before',
    make.plan(TO_OLD, { pinBaseline: { 'rs-uid/old': 1 } }, 'NodesDeleted'),
    { ...OLD, pods: new Map([['old', [make.pod('web-0')]]]) },
    0,
  ],
  [
    'there, beside a pod of its owner that was there before',
    make.plan(TO_OLD, { pinBaseline: { 'rs-uid/old': 1 } }, 'NodesDeleted'),
    { ...OLD, pods: new Map([['old', [make.pod('web-0'), make.pod('web-1')]]]) },
    1,
  ],
];
for (const [where, plan, given, podsPlaced] of ELSEWHERE) {
  t.test(`a pod that runs ${where} counts as ${podsPlaced} placed`, async (t) => {
    const { limits } = make.executionState(plan);
    const late = { ...limits, settleTimeoutMs: -1 };
    const { steps } = decide(make.executionState(plan, { ...given, limits: late }));
    t.match(steps.at(-1), {
      kind: 'finish',
      state: podsPlaced === 1 ? 'Done' : 'DoneWithWarnings',
      outcome: { podsPlanned: 1, podsPlaced },
    });
    t.equal(
      steps.some(({ reason }) => reason === 'PodsElsewhere'),
      podsPlaced === 0,
    );
  });
}

t.test(
  'pods on a node that the plan fills are counted before it starts, but for those that it places',
  async (t) => {
    const { metadata, spec } = make.plan(TO_OLD);
    const plan = { metadata, spec, status: {} };
    const pods = new Map([['old', [make.pod('web-0'), make.pod('web-1')]]]);
    const [step] = decide(make.executionState(plan, { ...OLD, pods })).steps;
    t.match(step, { kind: 'prepare', baseline: { 'rs-uid/old': 1 } });
  },
);

t.test('a removed node counts at the price of its NodePool, as NodeOverlays change it', async (t) => {
  const pool = makePool('general', { requirements: [] });
  const overlay = {
    metadata: { name: 'cheap' },
    spec: {
      requirements: [{ key: 'karpenter.sh/nodepool', operator: 'In' as const, values: ['general'] }],
      price: '0.08',
    },
    status: { conditions: [{ type: 'ValidationSucceeded', status: 'True' as const }] },
  };
  const { catalogue } = make.offerings(make.PRICES);
  const offerings = new Offerings(catalogue, { nodes: [], nodePools: [pool], nodeOverlays: [overlay] });
  const labels = { ...make.machineLabels('m5.large/us-west-2a/on-demand') };
  const there = { ...RUNNING, nodeClaims: new Map([['green', make.nodeClaim('green', { labels })]]) };
  const doneWith = (gone: NodeCost) =>
    make.plan(
      { ...DELETE, ...ADD, ...MOVE },
      { validatedSavings: { ...SAVINGS, blueNodes: [gone] }, ...attempts({ status: 'Success' }) },
      'NodesDeleted',
    );
  const outcomeOf = (gone: NodeCost) => {
    const step = decide(make.executionState(doneWith(gone), { ...there, offerings })).steps.at(-1);
    return step?.kind === 'finish' ? step.outcome : undefined;
  };
  t.match(outcomeOf(GONE), { savingsCostMonthly: '73.00' }, 'a record without a NodePool: 0.2 less 0.1');
  t.match(outcomeOf({ ...GONE, nodePool: 'general' }), { savingsCostMonthly: '-14.60' }, '0.08 less 0.1');
});
