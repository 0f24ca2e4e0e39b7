import t from 'tap';
import { verifyPlan } from '../plan/verify.ts';
import { type RebalanceRequest, rebalance } from '../rebalance.ts';
import { fragmentedCluster, makePool } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { type InterruptionPolicy, parseInterruptionRates, podRiskOf } from './interruption.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const ask = (request: Partial<RebalanceRequest> & Pick<RebalanceRequest, 'snapshot'>) =>
  rebalance({ catalogue: smallCatalogue, now: NOW, seed: 1, planName: 'p', rounds: 100, ...request });

t.test(
  'spot is bought while its risk is small, and on-demand when interruptions are expensive',
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
      t.same(plan && verifyPlan(snapshot, smallCatalogue, plan.spec), []);
      return plan?.savings.greenNodes ?? [];
    };
    t.ok(bought().every((node) => node.isSpot));
    t.ok(bought({ costPerPod: 0.01 }).every((node) => node.isSpot));
    t.ok(bought({ costPerPod: 1000 }).every((node) => !node.isSpot));
    const rates = { otherwise: 3, byType: { 'c5.4xlarge': 20, 'm5.2xlarge': 20, 'c5.xlarge': 20 } };
    const calm = bought({ mostMonthlyPercent: 10, rates });
    t.ok(calm.length > 0);
    t.notOk(calm.some((node) => node.isSpot && node.instanceType in rates.byType));
    // Risky and calm types cost the same in total here, and the calm type is bought.
    const risky = {
      otherwise: 1,
      byType: { 'r5.xlarge': 60, 'c5.4xlarge': 60, 'c5.xlarge': 60, 'c5.large': 60 },
    };
    t.notOk(bought({ costPerPod: 2, rates: risky }).some((node) => node.instanceType in risky.byType));
  },
);

t.test('the risk of a pod is the interruption rate of its machine times the cost', (t) => {
  const rates = parseInterruptionRates({ byType: { 'm5.large': 50 } });
  // Half of the machines are interrupted in a month: a rate of ln 2 / 730 per hour.
  t.equal(podRiskOf('m5.large', 'spot', { costPerPod: 730, rates }).toFixed(6), Math.LN2.toFixed(6));
  t.equal(podRiskOf('m5.large', 'on-demand', { costPerPod: 730, rates }), 0);
  t.equal(podRiskOf('c5.large', 'spot', { costPerPod: 0, rates }), 0);
  t.throws(() => parseInterruptionRates({ otherwise: 140 }), {
    name: 'InterruptionRatesError',
    message: /^The interruption rates are wrong at otherwise: /,
  });
  t.end();
});
