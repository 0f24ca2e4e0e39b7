import t from 'tap';
import { provision } from '../provision.ts';
import { type RebalanceRequest, rebalance } from '../rebalance.ts';
import { fragmentedCluster, makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { parsePriceOverlay, withPriceOverlay } from './discounts.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const ask = (request: Partial<RebalanceRequest> & Pick<RebalanceRequest, 'snapshot'>) =>
  rebalance({ catalogue: smallCatalogue, now: NOW, seed: 1, planName: 'p', rounds: 100, ...request });

t.test('a discount changes the bought types', async (t) => {
  const snapshot = fragmentedCluster(6, 6, 10);
  const overlay = parsePriceOverlay({ discounts: [{ family: 'r5', percent: 80 }] });
  const { plan } = ask({ snapshot, catalogue: withPriceOverlay(smallCatalogue, overlay) });
  t.same([...new Set(plan?.savings.greenNodes?.map((node) => node.instanceType))], ['r5.xlarge']);
  t.throws(() => parsePriceOverlay({ discounts: [{ percent: 120 }] }), {
    name: 'OverlayError',
    message: /discounts\.0\.percent/,
  });
});

t.test('a reservation covers its number of machines, and more cost the list price', async (t) => {
  const pods = Array.from({ length: 6 }, (_, n) => makePod(`p-${n}`, { cpu: 3500, memory: 14_000 }));
  const snapshot = makeSnapshot([], pods);
  const plan = (discounts: readonly object[]) =>
    provision({
      snapshot,
      catalogue: withPriceOverlay(smallCatalogue, parsePriceOverlay({ discounts })),
      now: NOW,
      seed: 1,
      planName: 'p',
      rounds: 100,
    }).plan;
  const typesOf = (made: ReturnType<typeof plan>) =>
    (made?.savings.greenNodes ?? []).map((node) => node.instanceType).sort();
  const hourly = (made: ReturnType<typeof plan>): number => Number(made?.savings.projectedMonthlyCost) / 730;
  // Baseline: six m5.xlarge at 0.192, or fewer larger ones at the same price for their size.
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

t.test('only machines beyond a reservation save money when they go', async (t) => {
  const overlay = parsePriceOverlay({
    discounts: [{ instanceType: 'm5.xlarge', percent: 100, instances: 2 }],
  });
  const nodes = ['a', 'b', 'c', 'd'].map((name) => makeNode(name));
  const pods = ['a', 'b', 'c', 'd'].map((node) => makePod(`p-${node}`, { cpu: 1500, memory: 5000, node }));
  const { plan } = ask({
    snapshot: makeSnapshot(nodes, pods),
    catalogue: withPriceOverlay(smallCatalogue, overlay),
  });
  t.equal(plan?.spec.nodeClaimsToDelete?.length, 2);
  t.same(plan?.spec.nodeClaimsToAdd, []);
  t.equal(plan?.savings.currentClusterMonthlyCost, (2 * 0.192 * 730).toFixed(2));
  t.equal(plan?.savings.projectedClusterMonthlyCost, '0.00');
});

t.test('a wrong overlay is refused in one sentence that names the field', (t) => {
  const table: readonly (readonly [object, RegExp])[] = [
    [{ percent: 30, instances: 2, hourlyCommitment: 1 }, /discounts\.0: .*exclude each other/],
    [{ percent: 100, hourlyCommitment: 1 }, /discounts\.0: .*percent below 100/],
    [{ percent: 30, instances: 1, capacityType: 'spot' }, /discounts\.0: spot machines/],
    [{ percent: 30, instances: 0.5 }, /discounts\.0\.instances/],
  ];
  for (const [each, message] of table) {
    t.throws(() => parsePriceOverlay({ discounts: [each] }), { name: 'OverlayError', message });
  }
  t.end();
});
