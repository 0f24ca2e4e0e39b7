import t from 'tap';
import { FeaturesError, parseFeatures } from './features.ts';

t.test('what is said is taken, the rest is left out', async (t) => {
  const yaml =
    'continuousRebalancing:\n  enabled: true\n  mode: drain-only\n  savingsThresholdPercent: "12.5"\n';
  t.same(parseFeatures(yaml), {
    continuousRebalancing: { enabled: true, mode: 'drain-only', savingsThresholdPercent: 12.5 },
  });
  t.same(parseFeatures(''), {});
  t.same(parseFeatures('nodeConsolidation: {enabled: true}'), {}, 'what others read is no error');
});

const WRONG = [
  ['rebalancer: [', /not YAML/],
  ['rebalancer: {enabled: maybe}', /rebalancer\.enabled/],
  ['continuousRebalancing: {mode: half}', /continuousRebalancing\.mode/],
  ['continuousRebalancing: {savingsThresholdPercent: 120}', /savingsThresholdPercent/],
] as const;

for (const [yaml, message] of WRONG) {
  t.test(`refused with its field: ${yaml}`, async (t) => {
    t.throws(() => parseFeatures(yaml), FeaturesError);
    t.throws(() => parseFeatures(yaml), { message });
  });
}
