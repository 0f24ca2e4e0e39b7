import t from 'tap';
import { CONFIG_KEY, type Features, parseFeatures } from '../../api/features.ts';
import type { EvictorConfig, EvictorSpec } from '../../api/kinds/evictorconfig.ts';
import type { Absence } from '../../kube/cache/cache.ts';
import { evictorSettings, heldSettings, overriddenSettings } from './settings.ts';

const config = (spec: EvictorSpec): EvictorConfig => ({ metadata: { name: 'default' }, spec });
const yaml = (text: string) => parseFeatures({ [CONFIG_KEY]: text });
const featuresOf = (text: string): Features => {
  const read = yaml(text);
  if (!read.ok) throw new Error(read.problem);
  return read.features;
};

t.test('without any settings the evictor is off, with the defaults of the field', async (t) => {
  t.same(evictorSettings(undefined, {}), {
    enabled: false,
    dryRun: false,
    aggressiveMode: false,
    scopedMode: false,
    ignorePodDisruptionBudgets: false,
    cycleIntervalMs: 60_000,
    nodeGraceMs: 300_000,
    maxNodes: 20,
    drainTimeout: '10m',
    failureBackOff: '5s',
    cooldownMs: 3_600_000,
    rules: [],
  });
});

t.test('the features ConfigMap wins over the EvictorConfig, setting by setting', async (t) => {
  const own = config({ enabled: true, dryRun: false, cycleInterval: '30s', maxNodesToEvictPerCycle: 3 });
  const features = featuresOf('evictor: {dryRun: true, cycleInterval: 5s, scopedMode: true}');
  t.match(evictorSettings(own, features), {
    enabled: true,
    dryRun: true,
    cycleIntervalMs: 5_000,
    maxNodes: 3,
    scopedMode: true,
  });
  t.same(overriddenSettings(own, features), ['dryRun', 'cycleInterval']);
});

t.test('every setting of the ConfigMap reaches the evictor', async (t) => {
  const features = featuresOf(`
evictor:
  enabled: true
  dryRun: true
  aggressiveMode: true
  scopedMode: true
  ignorePodDisruptionBudgets: true
  cycleInterval: 5s
  nodeGracePeriodMinutes: "2"
  maxNodesToEvictPerCycle: 7
  drainTimeout: 1m
  podEvictionFailureBackOff: 10s
  podEvictionCooldown: 30m
  rules:
    - {podSelector: {namespaces: [batch]}, disposable: true}`);
  t.same(evictorSettings(undefined, features), {
    enabled: true,
    dryRun: true,
    aggressiveMode: true,
    scopedMode: true,
    ignorePodDisruptionBudgets: true,
    cycleIntervalMs: 5_000,
    nodeGraceMs: 120_000,
    maxNodes: 7,
    drainTimeout: '1m',
    failureBackOff: '10s',
    cooldownMs: 1_800_000,
    rules: [{ podSelector: { namespaces: ['batch'] }, disposable: true }],
  });
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['cycleInterval: 10ms', /^evictor\.cycleInterval: at least 1s/],
  ['drainTimeout: soon', /^evictor\.drainTimeout: /],
  ['nodeGracePeriodMinutes: -1', /^evictor\.nodeGracePeriodMinutes: /],
  ['maxNodesToEvictPerCycle: 0', /^evictor\.maxNodesToEvictPerCycle: at least 1/],
  ['rules: [{aggressive: true}]', /^evictor\.rules\.0: a rule takes podSelector or nodeSelector/],
  [
    'rules: [{nodeSelector: {}}]',
    /^evictor\.rules\.0: a rule sets aggressive, disposable or removalDisabled/,
  ],
];
for (const [text, problem] of REFUSED) {
  t.test(`the ConfigMap is refused with ${text}, and says why`, async (t) => {
    const read = yaml(`evictor:\n  ${text}`);
    t.match(read, { ok: false, problem });
  });
}

t.test('an enabled evictor is held where its object is not known, or the rebalancer is off', async (t) => {
  const enabled = evictorSettings(undefined, { evictor: { enabled: true } });
  const held = (absence: Absence | undefined, isRebalancerOn = true) =>
    heldSettings(enabled, { absence, isRebalancerOn });
  t.equal(held(undefined), enabled);
  t.equal(held('unserved'), enabled, 'a cluster without EvictorConfigs goes by the ConfigMap');
  t.match(held('forbidden'), {
    enabled: false,
    heldBy: { reason: 'SettingsUnknown', message: /may not be read/ },
  });
  t.match(held('removed'), { enabled: false, heldBy: { reason: 'SettingsUnknown', message: /any more/ } });
  t.match(held(undefined, false), { enabled: false, heldBy: { reason: 'RebalancerOff' } });
  const off = evictorSettings(undefined, {});
  t.equal(heldSettings(off, { absence: 'forbidden', isRebalancerOn: false }), off);
});
