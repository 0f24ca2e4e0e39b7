import t from 'tap';
import type { Features } from '../../api/features.ts';
import type { AutoscalerPolicy } from '../../api/kinds/autoscalerpolicy.ts';
import { readSpotRules } from './rules.ts';

const on = (percentage: number) => ({
  enabled: true,
  spotInstances: {
    enabled: true,
    spotPods: { enabled: true, rules: [{ namespaces: ['shop'], percentage }] },
  },
});
const policyOf = (spec: AutoscalerPolicy['spec']): AutoscalerPolicy => ({
  metadata: { name: 'default' },
  spec,
});

/** Policies and features that change, and the percentage of the first rule in force. */
const world = () => {
  const state: {
    object: AutoscalerPolicy | undefined;
    features: Features;
    hasSynced: boolean;
    absence: 'forbidden' | undefined;
  } = { object: undefined, features: {}, hasSynced: true, absence: undefined };
  const rules = readSpotRules(
    {
      get: () => state.object,
      get hasSynced() {
        return state.hasSynced;
      },
      get absence() {
        return state.absence;
      },
    },
    () => state.features,
  );
  return { state, percentage: () => rules()?.rules[0]?.percentage };
};

t.test('rules come from the AutoscalerPolicy or from features, and each change counts at once', async (t) => {
  const { state, percentage } = world();
  t.equal(percentage(), undefined, 'off by default');
  state.features = { policies: on(60) };
  t.equal(percentage(), 60, 'by features alone');
  state.object = policyOf(on(20));
  t.equal(percentage(), 60, 'features win');
  state.features = {};
  t.equal(percentage(), 20);
  state.object = policyOf({ ...on(20), enabled: false });
  t.equal(percentage(), undefined);
});

t.test('while nobody knows the policies, or where they make no sense, there are no rules', async (t) => {
  const { state, percentage } = world();
  state.features = { policies: on(60) };
  state.hasSynced = false;
  t.equal(percentage(), undefined);
  state.hasSynced = true;
  t.equal(percentage(), 60);
  state.absence = 'forbidden';
  t.equal(percentage(), undefined);
  state.absence = undefined;
  state.object = policyOf(on(400));
  state.features = {};
  t.equal(percentage(), undefined);
});
