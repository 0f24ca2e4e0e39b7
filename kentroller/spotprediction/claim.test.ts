import t from 'tap';
import { rebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { buildClaim } from './claim.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');

t.test('the claim says that its nodes must go, and is named once', async (t) => {
  const decision = { replace: ['a', 'b'], replacements: 2 };
  const made = buildClaim(decision, NOW);
  t.match(made, {
    metadata: { annotations: { 'autoscaling.cast.ai/spot-replacements': '2' } },
    spec: {
      scope: { nodeNames: ['a', 'b'] },
      mustGo: { reason: 'SpotPrediction', maxPricePercent: 300 },
      autoExecute: true,
    },
  });
  t.equal(rebalancePlanClaimSpec.safeParse(made.spec).success, true);
  t.equal(buildClaim(decision, NOW).metadata.name, made.metadata.name);
  t.not(buildClaim({ ...decision, replace: ['a'] }, NOW).metadata.name, made.metadata.name);
});
