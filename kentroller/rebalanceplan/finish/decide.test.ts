import t from 'tap';
import * as make from '../../testing/builders.ts';
import { ADD, attempts, checkCases, MOVE, RESERVED, SAVINGS } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';

/** Decisions at the end of a plan. */

const BUYS = { podsToMigrate: MOVE.podsToMigrate.map((move) => ({ ...move, srcNode: '' })) };

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
    'a pod that waits too long for its pin opens the added nodes',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', RESERVED]]),
      unscheduledPods: [make.pod('web-2', { creationTimestamp: make.ago(11) })],
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
  [
    'the plan is done when all nodes are released',
    make.plan({ ...ADD, ...MOVE }, attempts({ status: 'Success' }), 'NodesDeleted'),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
      pods: new Map([['green', [make.pod('web-2')]]]),
    },
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
