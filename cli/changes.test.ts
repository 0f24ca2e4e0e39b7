import t from 'tap';
import { rebalance } from '../planner/rebalance.ts';
import { fragmentedCluster, makeNode, makePod, makePool, makeSnapshot } from '../planner/testing/builders.ts';
import { smallCatalogue } from '../planner/testing/randomcluster.ts';
import { describeSplit, kindChangesOf, splitSavings } from './changes.ts';
import { keeping, keepsOf } from './keep.ts';

/** What a saving is made of, and plans that keep kinds of machine. */

const EITHER = makePool('default', {
  requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand', 'spot'] }],
});
const cluster = { ...fragmentedCluster(6, 6, 8), nodePools: [EITHER] };
const request = {
  snapshot: cluster,
  catalogue: smallCatalogue,
  now: Date.parse('2026-11-29T00:00:00Z'),
  seed: 1,
  rounds: 20,
  planName: 'report',
};

t.test('a move to spot is told apart from packing', async (t) => {
  const result = rebalance(request);
  const changes = kindChangesOf(request, result);
  t.match(changes, [{ what: 'capacity-type', from: 'on-demand', to: 'spot' }]);
  const parts = splitSavings(request, result, rebalance);
  t.strictSame(
    parts.map(({ by }) => by),
    ['packing', 'capacity-type'],
  );
  const total = parts.reduce((sum, { monthly }) => sum + monthly, 0);
  t.equal(total.toFixed(2), result.plan?.savings.projectedSavingsCostMonthly, 'the parts are the whole');
  t.ok(
    parts.every(({ monthly }) => monthly > 0),
    'each part saves',
  );
  t.match(describeSplit({ savingsBy: parts, kindChanges: changes }), [
    / USD a month by packing, on machines of the same kinds$/,
    / USD a month by another capacity type: \d+ pods move from on-demand to spot$/,
  ]);
});

t.test('a plan that keeps capacity types moves no pod to another one', async (t) => {
  const kept = { ...request, snapshot: keeping(cluster, ['capacity-type']) };
  const result = rebalance(kept);
  t.ok(result.plan, 'it saves something');
  t.strictSame(kindChangesOf(request, result), []);
  t.strictSame(
    splitSavings(request, result, () => t.fail('planned again') as never).map(({ by }) => by),
    ['packing'],
  );
});

t.test(
  'a pod keeps its own node affinity beside the kind of its machine, empty terms included',
  async (t) => {
    const term = { matchExpressions: [{ key: 'team', operator: 'In' as const, values: ['a'] }] };
    const spec = {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term, {}] },
        },
      },
    };
    const pod = makePod('web', { node: 'n', spec });
    const arm = makeNode('n', { capacityType: 'spot', labels: { 'kubernetes.io/arch': 'arm64' } });
    const [tied] = keeping(makeSnapshot([arm], [pod]), ['capacity-type', 'architecture']).pods;
    const kinds = [
      { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot'] },
      { key: 'kubernetes.io/arch', operator: 'In', values: ['arm64'] },
    ];
    t.strictSame(
      tied?.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
      [{ matchExpressions: [...term.matchExpressions, ...kinds] }, {}],
    );
  },
);

t.test('pods that wait, and those of DaemonSets, are free', async (t) => {
  const pods = [makePod('pending'), makePod('agent', { node: 'n', owner: 'DaemonSet' })];
  const snapshot = makeSnapshot([makeNode('n')], pods);
  t.strictSame(keeping(snapshot, ['architecture']).pods, pods);
});

t.test('--keep names what it takes', async (t) => {
  t.strictSame(keepsOf(undefined), []);
  t.strictSame(keepsOf('capacity-type,architecture'), ['capacity-type', 'architecture']);
  t.throws(() => keepsOf('family'), {
    name: 'UsageError',
    message: /capacity-type and architecture, not 'family'/,
  });
});
