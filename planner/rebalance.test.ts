import t from 'tap';
import type { Pod } from '../api/objects.ts';
import type { InterruptionPolicy } from './interruption.ts';
import { overlayFrom, withOverlay } from './overlay.ts';
import { provision } from './provision.ts';
import { smallCatalogue } from './randomcluster.ts';
import { type RebalanceRequest, rebalance } from './rebalance.ts';
import { fragmentedCluster, makeNode, makePod, makePool, makeSnapshot } from './testcluster.ts';
import { faultsOf } from './validate.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const ask = (request: Partial<RebalanceRequest> & Pick<RebalanceRequest, 'snapshot'>) =>
  rebalance({ catalogue: smallCatalogue, now: NOW, seed: 1, planName: 'p', rounds: 100, ...request });

t.test('a fragmented cluster becomes a cheaper one that holds every pod', async (t) => {
  const snapshot = fragmentedCluster(12, 12, 10);
  const { plan } = ask({ snapshot });
  t.ok(plan);
  t.same(plan && faultsOf(snapshot, smallCatalogue, plan.spec), []);
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

t.test('a disruption budget that allows nothing blocks, its schedule respected', async (t) => {
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

t.test('a cluster that is as cheap as can be is left alone, with the reason', async (t) => {
  const node = makeNode('a', { type: 'c5.large', cpu: 1900, memory: 3500 });
  const result = ask({
    snapshot: makeSnapshot([node], [makePod('p', { cpu: 1800, memory: 3000, node: 'a' })]),
  });
  t.equal(result.plan, null);
  t.equal(result.reason, 'No cheaper set of nodes was found.');
});

t.test('no more nodes are replaced than maxNodes allows, and those left out are named', async (t) => {
  const snapshot = fragmentedCluster(6, 6, 8);
  const { plan, selectedNodes, skippedNodes } = ask({ snapshot, constraints: { maxNodes: 2 } });
  t.equal(selectedNodes.length, 2);
  t.equal(skippedNodes.length, 4);
  t.match(skippedNodes[0]?.reasons, [/no more than 2 nodes may be replaced/]);
  t.ok((plan?.spec.nodeClaimsToDelete?.length ?? 0) <= 2);
  t.same(plan && faultsOf(snapshot, smallCatalogue, plan.spec), []);
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
  // A type that is 0.3 % cheaper than the one in use, and one node that can simply go.
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

t.test(
  'spot is bought while its risk is small, on-demand when an interruption costs more than it saves',
  async (t) => {
    const snapshot = {
      ...fragmentedCluster(6, 6, 10),
      nodePools: [
        makePool('default', {
          requirements: [
            { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] },
          ],
        }),
      ],
    };
    const bought = (interruption?: InterruptionPolicy) => {
      const { plan } = ask({ snapshot, ...(interruption && { interruption }) });
      t.same(plan && faultsOf(snapshot, smallCatalogue, plan.spec), []);
      return plan?.savings.greenNodes ?? [];
    };
    t.ok(bought().every((node) => node.isSpot));
    t.ok(bought({ costPerPod: 0.01 }).every((node) => node.isSpot));
    t.ok(bought({ costPerPod: 1000 }).every((node) => !node.isSpot));
    const rates = { otherwise: 3, byType: { 'c5.4xlarge': 20, 'm5.2xlarge': 20, 'c5.xlarge': 20 } };
    const calm = bought({ mostMonthlyPercent: 10, rates });
    t.ok(calm.length > 0);
    t.notOk(calm.some((node) => node.isSpot && node.instanceType in rates.byType));
    // What is risky and what is calm cost the same: the calm type is taken.
    const risky = {
      otherwise: 1,
      byType: { 'r5.xlarge': 60, 'c5.4xlarge': 60, 'c5.xlarge': 60, 'c5.large': 60 },
    };
    t.notOk(bought({ costPerPod: 2, rates: risky }).some((node) => node.instanceType in risky.byType));
  },
);

t.test('a reservation lasts for so many machines, and what is beyond it costs the list price', async (t) => {
  const pods = Array.from({ length: 6 }, (_, n) => makePod(`p-${n}`, { cpu: 3500, memory: 14_000 }));
  const snapshot = makeSnapshot([], pods);
  const plan = (discounts: readonly object[]) =>
    provision({
      snapshot,
      catalogue: withOverlay(smallCatalogue, overlayFrom({ discounts })),
      now: NOW,
      seed: 1,
      planName: 'p',
      rounds: 100,
    }).plan;
  const typesOf = (made: ReturnType<typeof plan>) =>
    (made?.savings.greenNodes ?? []).map((node) => node.instanceType).sort();
  const hourly = (made: ReturnType<typeof plan>): number => Number(made?.savings.projectedMonthlyCost) / 730;
  // Without: six m5.xlarge at 0.192, or fewer larger ones at the same price for their size.
  t.equal(hourly(plan([])).toFixed(3), '1.152');
  // r5.xlarge at 0.252 is 80 % off, twice.
  const reserved = plan([{ instanceType: 'r5.xlarge', percent: 80, instances: 2 }]);
  t.equal(typesOf(reserved).filter((type) => type === 'r5.xlarge').length, 2);
  t.equal(hourly(reserved).toFixed(3), (4 * 0.192 + 2 * 0.2 * 0.252).toFixed(3));
  // A Savings Plan of 0.1008 USD an hour at 80 % off pays for two of them too.
  const committed = plan([{ family: 'r5', percent: 80, hourlyCommitment: 0.1008 }]);
  t.equal(hourly(committed).toFixed(3), hourly(reserved).toFixed(3));
  for (const made of [reserved, committed]) {
    t.ok(Number(made?.savings.lowerBoundMonthlyCost) <= Number(made?.savings.projectedMonthlyCost) + 0.01);
  }
});

t.test('what a reservation covers is saved only by removing machines beyond it', async (t) => {
  const overlay = overlayFrom({ discounts: [{ instanceType: 'm5.xlarge', percent: 100, instances: 2 }] });
  const nodes = ['a', 'b', 'c', 'd'].map((name) => makeNode(name));
  const pods = ['a', 'b', 'c', 'd'].map((node) => makePod(`p-${node}`, { cpu: 1500, memory: 5000, node }));
  const { plan } = ask({
    snapshot: makeSnapshot(nodes, pods),
    catalogue: withOverlay(smallCatalogue, overlay),
  });
  t.equal(plan?.spec.nodeClaimsToDelete?.length, 2);
  t.same(plan?.spec.nodeClaimsToAdd, []);
  t.equal(plan?.savings.currentClusterMonthlyCost, (2 * 0.192 * 730).toFixed(2));
  t.equal(plan?.savings.projectedClusterMonthlyCost, '0.00');
});

t.test('a discount changes what is bought', async (t) => {
  const snapshot = fragmentedCluster(6, 6, 10);
  const overlay = overlayFrom({ discounts: [{ family: 'r5', percent: 80 }] });
  const { plan } = ask({ snapshot, catalogue: withOverlay(smallCatalogue, overlay) });
  t.same([...new Set(plan?.savings.greenNodes?.map((node) => node.instanceType))], ['r5.xlarge']);
  t.throws(() => overlayFrom({ discounts: [{ percent: 120 }] }), {
    name: 'OverlayError',
    message: /discounts\.0\.percent/,
  });
});
