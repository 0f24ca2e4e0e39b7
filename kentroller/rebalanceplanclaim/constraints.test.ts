import t from 'tap';
import { type RebalanceRequest, rebalance } from '../../planner/rebalance.ts';
import {
  fragmentedCluster,
  makeNode,
  makePod,
  makePool,
  makeSnapshot,
} from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';

/** The effect of a claim's scope and nodeConstraints, and nodes that are never replaced. */

const NOW = Date.parse('2026-06-01T12:00:00Z');
const snapshot = fragmentedCluster(6, 3, 10);
const ask = (request: Partial<RebalanceRequest>) =>
  rebalance({
    snapshot,
    catalogue: smallCatalogue,
    now: NOW,
    seed: 1,
    planName: 'p',
    rounds: 50,
    ...request,
  });

t.test('maxNodes is how many nodes a plan may remove', async (t) => {
  t.ok((ask({}).plan?.spec.nodeClaimsToDelete?.length ?? 0) > 2);
  t.ok((ask({ constraints: { maxNodes: 2 } }).plan?.spec.nodeClaimsToDelete?.length ?? 0) <= 2);
});

t.test('minAgeSeconds leaves young nodes out, with the reason', async (t) => {
  const [oldest] = snapshot.nodes;
  if (!oldest) throw new Error('there are nodes');
  const young = { ...oldest, metadata: { ...oldest.metadata, creationTimestamp: '2026-06-01T11:59:00Z' } };
  const nodes = [young, ...snapshot.nodes.slice(1)];
  const result = ask({ snapshot: { ...snapshot, nodes }, constraints: { minAgeSeconds: 300 } });
  t.match(result.skippedNodes, [{ name: young.metadata.name, reasons: ['it is younger than 300 s'] }]);
  t.notOk(result.selectedNodes.includes(young.metadata.name));
});

t.test('a cluster smaller than minClusterSize is left alone, with the reason', async (t) => {
  const { plan, reason } = ask({ constraints: { minClusterSize: 7 } });
  t.equal(plan, null);
  t.match(reason, /6 nodes, fewer than minClusterSize 7/);
  t.ok(ask({ constraints: { minClusterSize: 6 } }).plan);
});

t.test('a scope of names or of labels takes in only these nodes', async (t) => {
  t.same(ask({ scope: { nodeNames: ['node-1', 'node-2'] } }).selectedNodes, ['node-1', 'node-2']);
  const nodeSelector = {
    nodeSelectorTerms: [
      {
        matchExpressions: [
          { key: 'topology.kubernetes.io/zone', operator: 'In' as const, values: ['us-west-2b'] },
        ],
      },
    ],
  };
  t.same(ask({ scope: { nodeSelector } }).selectedNodes, ['node-1', 'node-4']);
});

t.test('nodes of static NodePools stay as they are', async (t) => {
  const pool = makePool();
  const fixed = { ...pool, spec: { ...pool.spec, replicas: 2 } };
  const nodes = [makeNode('a'), makeNode('b')];
  const pods = [makePod('p', { node: 'a' })];
  const result = ask({ snapshot: makeSnapshot(nodes, pods, { nodePools: [fixed] }) });
  t.equal(result.plan, null);
  t.match(result.skippedNodes, [{ reasons: [/static/] }, { reasons: [/static/] }]);
});

t.test(
  'a budget that never lets an only pod go does not hold it where a successor comes first',
  async (t) => {
    const replicaSet = (surge?: string, replicas = 1) => ({
      metadata: {
        name: 'web',
        namespace: 'default',
        uid: 'rs-web',
        ...(surge !== undefined && { annotations: { 'autoscaling.cast.ai/surge': surge } }),
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'web', controller: true },
        ],
      },
      spec: { replicas },
    });
    const budget = (currentHealthy: number) => ({
      metadata: { name: 'guard', namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'web' } } },
      status: { disruptionsAllowed: 0, currentHealthy, desiredHealthy: 1 },
    });
    const selected = (
      set: ReturnType<typeof replicaSet>,
      healthy = 1,
      surgeSingleReplicas?: boolean,
    ): readonly string[] =>
      ask({
        ...(surgeSingleReplicas !== undefined && { surgeSingleReplicas }),
        snapshot: makeSnapshot([makeNode('a')], [makePod('p', { node: 'a' })], {
          replicaSets: [set],
          podDisruptionBudgets: [budget(healthy)],
        }),
      }).selectedNodes;
    t.same(selected(replicaSet('true')), ['a']);
    t.same(selected(replicaSet('false')), []);
    t.same(selected(replicaSet('true', 2)), []);
    t.same(selected(replicaSet('true'), 0), [], 'its pod is not healthy: nothing may go');
    t.same(selected(replicaSet()), [], 'surge is off when the request leaves it out');
    t.same(selected(replicaSet(), 1, false), [], 'surge is off by default');
    t.same(selected(replicaSet(), 1, true), ['a'], 'surge is on by default');
    t.same(selected(replicaSet('false'), 1, true), [], 'its annotation opts out');
  },
);
