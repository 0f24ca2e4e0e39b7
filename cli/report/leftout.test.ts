import t from 'tap';
import type { Pod, PodDisruptionBudget } from '../../api/objects.ts';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { priceList } from '../../planner/testing/cases.ts';
import { leftOutOf } from './leftout.ts';

/** What a report tells of nodes that may not be replaced. */

const catalogue = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2 });
const guard: PodDisruptionBudget = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } } },
  status: { disruptionsAllowed: 0 },
};
const MONTH = 0.2 * 730;

const leftOut = (
  pods: readonly Pod[],
  types: readonly string[] = ['m5.xlarge', 'm5.xlarge', 'm5.xlarge'],
) => {
  const nodes = types.map((type, n) => makeNode(`n${n}`, { type }));
  const snapshot = makeSnapshot(nodes, pods, { podDisruptionBudgets: [guard] });
  const result = rebalance({ snapshot, catalogue, now: Date.now(), seed: 1, planName: 'p', rounds: 5 });
  return leftOutOf(clusterOf(snapshot, catalogue), result);
};

t.test('a budget that blocks three nodes is one cause with their money', async (t) => {
  const pods = [0, 1, 2].map((n) => makePod(`web-${n}`, { node: `n${n}` }));
  const groups = leftOut(pods);
  t.equal(groups.length, 1);
  t.match(groups[0], {
    kind: 'pod-budget',
    cause: 'PodDisruptionBudget default/web allows no disruption',
    nodes: 3,
    nodeNames: ['n0', 'n1', 'n2'],
    pods: ['default/web-0', 'default/web-1', 'default/web-2'],
    unpriced: 0,
    alone: { nodes: 3 },
    whatToDo: /--ignore-blocking-pdb/,
  });
  t.equal(groups[0]?.monthlyCost?.toFixed(2), (3 * MONTH).toFixed(2));
});

t.test('a node with two causes counts under each, and under neither alone', async (t) => {
  const pods = [
    makePod('web-0', { node: 'n0' }),
    makePod('debug', { app: 'debug', node: 'n0', owner: null }),
    makePod('web-1', { node: 'n1' }),
  ];
  const [budget, bare] = leftOut(pods);
  t.match(budget, { kind: 'pod-budget', nodes: 2, alone: { nodes: 1, monthlyCost: MONTH } });
  t.match(bare, {
    kind: 'no-controller',
    cause: 'pods have no controller',
    nodes: 1,
    pods: ['default/debug'],
    alone: { nodes: 0, monthlyCost: 0 },
  });
});

t.test('a price that is not known is in no sum', async (t) => {
  const groups = leftOut(
    [makePod('web-0', { node: 'n0' }), makePod('web-1', { node: 'n1' })],
    ['m5.xlarge', 'm5.huge'],
  );
  t.match(groups, [
    { kind: 'pod-budget', nodes: 2, monthlyCost: MONTH, unpriced: 1 },
    { kind: 'no-price', nodes: 1, monthlyCost: null, unpriced: 1 },
  ]);
});

t.test('nodes that one cause alone keeps cost an unknown amount without a price, not nothing', async (t) => {
  t.match(leftOut([], ['m5.huge', 'm5.huge']), [
    { kind: 'no-price', monthlyCost: null, unpriced: 2, alone: { nodes: 2, monthlyCost: null, unpriced: 2 } },
  ]);
});

t.test('prices that are missing from what one cause alone keeps are counted', async (t) => {
  const { facts } = clusterOf(
    makeSnapshot([makeNode('n0', { type: 'm5.xlarge' }), makeNode('n1', { type: 'm5.huge' })], []),
    catalogue,
  );
  const blockers = [{ kind: 'unmanaged', cause: 'not of Karpenter', message: 'not of Karpenter' }] as const;
  const skippedNodes = facts.map(({ node }) => ({ name: node.metadata.name, reasons: [], blockers }));
  t.match(leftOutOf({ facts }, { skippedNodes }), [
    { unpriced: 1, alone: { nodes: 2, monthlyCost: MONTH, unpriced: 1 } },
  ]);
});
