import t from 'tap';
import { parseCron } from '../../api/cron.ts';
import { CORDONED_BY, DRAINING, KARPENTER_DISRUPTED_TAINT } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import { makeNode } from '../testing/builders.ts';
import { allowedDisruptions, allowedDisruptionsByPool, countNodes } from './disruptionbudget.ts';

type Budgets = NonNullable<NodePool['spec']['disruption']>['budgets'];

const pool = (budgets?: Budgets, spec: Partial<NodePool['spec']> = {}): NodePool => ({
  metadata: { name: 'general' },
  spec: {
    ...(budgets ? { disruption: { budgets } } : {}),
    template: {
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements: [],
      },
    },
    ...spec,
  },
});
const NOON = Date.parse('2026-11-22T12:00:00Z');

const CASES: readonly [string, Budgets, number, number, boolean, number][] = [
  ['ten percent without budgets, rounded up', undefined, 12, 0, false, 2],
  ['the strictest of several', [{ nodes: '50%' }, { nodes: '3' }], 12, 0, false, 3],
  ['less the nodes that are disrupted already', [{ nodes: '3' }], 12, 2, false, 1],
  ['never fewer than none', [{ nodes: '1' }], 12, 4, false, 0],
  [
    'a budget for another reason does not count',
    [{ nodes: '0', reasons: ['Drifted'] }, { nodes: '4' }],
    12,
    0,
    false,
    4,
  ],
  ['a budget for our reason does', [{ nodes: '0', reasons: ['Underutilized'] }], 12, 0, false, 0],
  [
    'a budget outside its hours',
    [{ nodes: '0', schedule: '0 9 * * *', duration: '2h' }, { nodes: '5' }],
    12,
    0,
    false,
    5,
  ],
  [
    'a budget within its hours',
    [{ nodes: '0', schedule: '0 9 * * *', duration: '8h' }, { nodes: '5' }],
    12,
    0,
    false,
    0,
  ],
  ['a budget of zero becomes ten percent when zero is ignored', [{ nodes: '0' }], 12, 0, true, 2],
  [
    'a schedule that cannot be read lets none go',
    [{ nodes: '5', schedule: 'at noon', duration: '8h' }],
    12,
    0,
    false,
    0,
  ],
  ['a schedule without a duration lets none go', [{ nodes: '5', schedule: '0 9 * * *' }], 12, 0, false, 0],
  [
    'a schedule that cannot be read lets none go, though its budget is for another reason',
    [{ nodes: '0', reasons: ['Drifted'], schedule: '0 9 * * 7', duration: '8h' }, { nodes: '5' }],
    12,
    0,
    false,
    0,
  ],
  [
    'days of week beside every other day of the month are either of them',
    // November 22 is a Sunday, and not one of the odd days.
    [{ nodes: '0', schedule: '0 9 */2 * SUN', duration: '8h' }, { nodes: '5' }],
    12,
    0,
    false,
    0,
  ],
  [
    'a budget is over when its duration has passed',
    [{ nodes: '0', schedule: '0 9 * * *', duration: '3h' }, { nodes: '5' }],
    12,
    0,
    false,
    5,
  ],
  [
    'a time zone lets none go',
    [{ nodes: '5', schedule: 'TZ=Europe/Berlin 0 9 * * *', duration: '8h' }],
    12,
    0,
    false,
    0,
  ],
  [
    'a schedule of no day is always active',
    [{ nodes: '1', schedule: '0 0 31 2 *', duration: '1h' }],
    12,
    0,
    false,
    1,
  ],
  ['a number that cannot be read lets none go', [{ nodes: 'some' }], 12, 0, false, 0],
  ['no more nodes than there are', [{ nodes: '100' }], 3, 0, false, 3],
];

for (const [name, budgets, total, disrupted, ignoresZero, expected] of CASES) {
  t.test(name, async (t) =>
    t.equal(allowedDisruptions(pool(budgets), { total, disrupted }, NOON, ignoresZero), expected),
  );
}

t.test('a schedule is read once a NodePool, however many nodes it has', async (t) => {
  const budgets = [{ nodes: '5', schedule: '30 6 * * MON-FRI', duration: '8h' }];
  const pools = ['a', 'b', 'c'].map((name) => ({ ...pool(budgets), metadata: { name } }));
  const nodes = Array.from({ length: 300 }, (_, n) => ({ ...makeNode(`node-${n}`), pool: pools[n % 3] }));
  let reads = 0;
  const allowed = allowedDisruptionsByPool(nodes, Date.parse('2026-11-23T12:00:00Z'), (text) => {
    reads += 1;
    return parseCron(text);
  });
  t.same(
    [...allowed],
    [
      ['a', 5],
      ['b', 5],
      ['c', 5],
    ],
  );
  t.equal(reads, 3);
});

t.test('nodes that are cordoned, not ready or being deleted use up the budget', async (t) => {
  const { node, claim } = makeNode('n');
  const counted = countNodes([
    { node, claim },
    { node, claim: undefined },
    { node: { ...node, spec: { unschedulable: true } }, claim },
    { node: { ...node, status: {} }, claim },
    { node, claim: { ...claim, metadata: { ...claim.metadata, deletionTimestamp: '2026-11-22T12:00:00Z' } } },
  ]);
  t.same(counted, { total: 5, disrupted: 3 });
});

t.test(
  'an added node that is cordoned for its DaemonSets uses up no budget, one that is drained does',
  async (t) => {
    const { node, claim } = makeNode('n');
    const annotations = { [CORDONED_BY]: 'plan/uid' };
    const added = { ...node, metadata: { ...node.metadata, annotations }, spec: { unschedulable: true } };
    const labels = { ...node.metadata.labels, [DRAINING]: 'rebalancing' };
    const removed = { ...added, metadata: { ...added.metadata, labels } };
    t.same(countNodes([{ node: added, claim }]), { total: 1, disrupted: 0 });
    t.same(countNodes([{ node: removed, claim }]), { total: 1, disrupted: 1 });
  },
);

t.test(
  'a node that Karpenter disrupts uses up the budget; one whose machine it has ended is no node',
  async (t) => {
    const { node, claim } = makeNode('n');
    const taints = [{ key: KARPENTER_DISRUPTED_TAINT, effect: 'NoSchedule' as const }];
    const disrupted = { ...node, spec: { ...node.spec, taints } };
    t.same(countNodes([{ node: disrupted, claim }]), { total: 1, disrupted: 1 });
    const conditions = [{ type: 'InstanceTerminating', status: 'True' as const }];
    const ended = claim && { ...claim, status: { ...claim.status, conditions } };
    t.same(countNodes([{ node: disrupted, claim: ended }]), { total: 0, disrupted: 0 });
  },
);

t.test('a budget for empty nodes counts for them alone', async (t) => {
  const nodes = { total: 12, disrupted: 0 };
  const limited = pool([{ nodes: '0', reasons: ['Empty'] }, { nodes: '4' }]);
  t.equal(allowedDisruptions(limited, nodes, NOON, false, parseCron, 'Empty'), 0);
  t.equal(allowedDisruptions(limited, nodes, NOON, false, parseCron, 'Underutilized'), 4);
});
