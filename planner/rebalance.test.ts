import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { verifyPlan } from './plan/verify.ts';
import { type RebalanceRequest, rebalance } from './rebalance.ts';
import { fragmentedCluster, makeNode, makePod, makeSnapshot } from './testing/builders.ts';
import { smallCatalogue } from './testing/randomcluster.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const ask = (request: Partial<RebalanceRequest> & Pick<RebalanceRequest, 'snapshot'>) =>
  rebalance({ catalogue: smallCatalogue, now: NOW, seed: 1, planName: 'p', rounds: 100, ...request });

t.test('a fragmented cluster becomes a cheaper one that holds every pod', async (t) => {
  const snapshot = fragmentedCluster(12, 12, 10);
  const { plan } = ask({ snapshot });
  t.ok(plan);
  t.same(plan && verifyPlan(snapshot, smallCatalogue, plan.spec), []);
  t.ok(Number(plan?.savings.projectedSavingsPercent) > 30, plan?.savings.projectedSavingsPercent ?? '');
  t.ok(Number(plan?.savings.lowerBoundMonthlyCost) <= Number(plan?.savings.projectedClusterMonthlyCost));
});

t.test('a pod that blocks its node is named in the reason', async (t) => {
  const marked = (name: string, change: Partial<Pod['metadata']>): Pod => {
    const pod = makePod(name, { node: 'a' });
    return { ...pod, metadata: { ...pod.metadata, ...change } };
  };
  const table: readonly (readonly [Pod, RegExp])[] = [
    [makePod('bare', { node: 'a', owner: null }), /pod default\/bare has no controller/],
    [makePod('job', { node: 'a', owner: 'Job' }), /pod default\/job belongs to a Job/],
    [marked('x', { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } }), /do-not-disrupt/],
    [marked('x', { labels: { 'autoscaling.cast.ai/removal-disabled': 'true' } }), /removal-disabled/],
    [
      marked('x', { annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } }),
      /safe-to-evict/,
    ],
  ];
  for (const [pod, reason] of table) {
    const result = ask({ snapshot: makeSnapshot([makeNode('a')], [pod]) });
    t.equal(result.plan, null);
    t.match(result.skippedNodes, [{ name: 'a', reasons: [reason] }]);
  }
});

t.test('a disruption budget of 0 blocks, but only within its schedule', async (t) => {
  const pdb = {
    metadata: { name: 'guard', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } } },
    status: { disruptionsAllowed: 0 },
  };
  const base = makeSnapshot([makeNode('a')], [makePod('p', { node: 'a' })]);
  t.match(ask({ snapshot: { ...base, podDisruptionBudgets: [pdb] } }).skippedNodes, [{ reasons: [/guard/] }]);
  t.ok(
    ask({ snapshot: { ...base, podDisruptionBudgets: [pdb] }, aggressive: { ignoreBlockingPDB: true } }).plan,
  );
  const pool = base.nodePools[0];
  if (!pool) throw new Error('the snapshot has a NodePool');
  const withBudget = (schedule: string) => ({
    ...base,
    nodePools: [
      {
        ...pool,
        spec: { ...pool.spec, disruption: { budgets: [{ nodes: '0', schedule, duration: '2h' }] } },
      },
    ],
  });
  t.match(ask({ snapshot: withBudget('0 11 * * *') }).skippedNodes, [
    { reasons: [/budgets of NodePool default/] },
  ]);
  t.ok(ask({ snapshot: withBudget('0 14 * * *') }).plan);
});

t.test('nodes outside the scope, and nodes that Karpenter does not manage, stay as they are', async (t) => {
  const snapshot = makeSnapshot(
    [makeNode('a'), makeNode('b')],
    [makePod('p', { node: 'a' }), makePod('q', { node: 'b' })],
  );
  const scoped = ask({ snapshot, scope: { nodeNames: ['b'] } });
  t.same(scoped.selectedNodes, ['b']);
  t.same(scoped.plan?.spec.nodeClaimsToDelete, [{ nodeClaimName: 'claim-b' }]);
  const unmanaged = ask({ snapshot: { ...snapshot, nodeClaims: [] } });
  t.equal(unmanaged.plan, null);
  t.match(unmanaged.skippedNodes, [{ reasons: ['it is not managed by Karpenter'] }, {}]);
});

t.test('a cluster that cannot be cheaper is left alone, with the reason', async (t) => {
  const node = makeNode('a', { type: 'c5.large', cpu: 1900, memory: 3500 });
  const result = ask({
    snapshot: makeSnapshot([node], [makePod('p', { cpu: 1800, memory: 3000, node: 'a' })]),
  });
  t.equal(result.plan, null);
  t.equal(result.reason, 'No cheaper set of nodes was found.');
});

t.test('a cluster that took the whole time budget to read is searched all the same', async (t) => {
  const snapshot = fragmentedCluster(20, 12, 10);
  // The cluster is read after the watch is told that a search begins; each look at the clock takes a millisecond.
  const savedWhen = (readingMs: number): number => {
    let now = 0;
    const begin = (): void => {
      now += readingMs;
    };
    const watch = { begin, advance: () => {} };
    const { plan } = ask({ snapshot, timeBudgetMs: 5_000, rounds: 2_000, clock: () => ++now, watch });
    t.ok(now < readingMs + 5_000, `${now} ms`);
    return Number(plan?.savings.projectedSavingsPercent);
  };
  t.ok(savedWhen(60_000) > savedWhen(0) - 2);
});

t.test('a search that found nothing in its time says so', async (t) => {
  const nodes = Array.from({ length: 4 }, (_, n) =>
    makeNode(`n${n}`, { type: 'c5.large', cpu: 1900, memory: 3500 }),
  );
  const pods = nodes.map((_, n) => makePod(`p${n}`, { cpu: 1800, memory: 3000, node: `n${n}` }));
  let now = 0;
  const result = ask({
    snapshot: makeSnapshot(nodes, pods),
    timeBudgetMs: 1_000,
    clock: () => 400 * ++now,
    rounds: 20_000,
  });
  t.equal(result.reason, 'No cheaper set of nodes was found in the time that the search had.');
});

t.test('no more nodes than maxNodes are replaced, and those left out are named', async (t) => {
  const snapshot = fragmentedCluster(6, 6, 8);
  const { plan, selectedNodes, skippedNodes } = ask({ snapshot, constraints: { maxNodes: 2 } });
  t.equal(selectedNodes.length, 2);
  t.equal(skippedNodes.length, 4);
  t.match(skippedNodes[0]?.reasons, [/no more than 2 nodes may be replaced/]);
  t.ok((plan?.spec.nodeClaimsToDelete?.length ?? 0) <= 2);
  t.same(plan && verifyPlan(snapshot, smallCatalogue, plan.spec), []);
});

t.test('one node holds no more of a workload than the blast radius allows', async (t) => {
  const snapshot = fragmentedCluster(8, 4, 10);
  const { plan } = ask({ snapshot, blastRadius: { workloadPercent: 30 } });
  const held = new Map<string, number>();
  for (const move of plan?.spec.podsToMigrate ?? []) {
    const key = `${move.dstNodeClaimName} ${move.owner?.name}`;
    held.set(key, (held.get(key) ?? 0) + 1);
  }
  t.ok(held.size > 0);
  t.ok(Math.max(...held.values()) <= 3, `${Math.max(...held.values())} of 10`);
});

t.test('of two plans within half a percent the one that moves fewer pods wins', async (t) => {
  // A type that is 0.3 % cheaper than the one in use, and one node that can go without a new one.
  const [m5] = smallCatalogue.instanceTypes.filter((type) => type.name === 'm5.xlarge');
  if (!m5) throw new Error('the catalogue has m5.xlarge');
  const newer = {
    ...m5,
    name: 'm5n.xlarge',
    labels: { ...m5.labels, 'node.kubernetes.io/instance-type': 'm5n.xlarge' },
    offerings: m5.offerings.map((each) => ({ ...each, price: each.price * 0.997 })),
  };
  const names = Array.from({ length: 12 }, (_, n) => `node-${n}`);
  const pods = names.flatMap((node, n) =>
    n === 0
      ? Array.from({ length: 24 }, (_, k) => makePod(`small-${k}`, { cpu: 10, memory: 20, node }))
      : [makePod(`large-${n}`, { cpu: 3500, memory: 13_000, node })],
  );
  const { plan } = ask({
    snapshot: makeSnapshot(
      names.map((name) => makeNode(name)),
      pods,
    ),
    catalogue: { instanceTypes: [m5, newer] },
  });
  t.equal(plan?.spec.podsToMigrate?.length, 24);
  t.same(plan?.spec.nodeClaimsToDelete, [{ nodeClaimName: 'claim-node-0' }]);
});

t.test('with a higher moveWeight fewer pods move, and with a prohibitive one none', async (t) => {
  const snapshot = fragmentedCluster(16, 8, 14);
  const moved = (moveWeight?: number): number =>
    ask({ snapshot, ...(moveWeight !== undefined && { moveWeight }) }).plan?.spec.podsToMigrate?.length ?? 0;
  const [free, weighted] = [moved(), moved(1)];
  t.ok(weighted > 0 && weighted < free, `${weighted} instead of ${free}`);
  t.equal(moved(1000), 0);
});
