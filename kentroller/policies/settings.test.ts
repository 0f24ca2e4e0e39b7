import t from 'tap';
import { CONFIG_KEY, type Features, parseFeatures } from '../../api/features.ts';
import { AUTOSCALER_POLICY, type AutoscalerPolicySpec } from '../../api/kinds/autoscalerpolicy.ts';
import type { Absence } from '../../kube/cache/cache.ts';
import { type Policies, policiesNow, readPolicies } from './settings.ts';

const objectOf = (spec: AutoscalerPolicySpec) => ({ metadata: { name: AUTOSCALER_POLICY }, spec });
const view = (spec?: AutoscalerPolicySpec, absence?: Absence) => ({
  object: spec && objectOf(spec),
  absence,
  hasSynced: true,
});
const featuresOf = (text: string): Features => {
  const read = parseFeatures({ [CONFIG_KEY]: text });
  if (!read.ok) throw new Error(read.problem);
  return read.features;
};
const known = (spec?: AutoscalerPolicySpec, features: Features = {}): Policies => {
  const now = policiesNow(view(spec), features);
  if (!now.known) throw new Error(now.message);
  return now.policies;
};

const NOTHING: Policies = {
  enabled: false,
  scopedMode: false,
  clusterLimits: undefined,
  horizontalPodAutoscaler: false,
  unschedulablePods: undefined,
  spotInstances: undefined,
  spotPods: undefined,
  emptyNodes: undefined,
  evictor: undefined,
};
const ALL: AutoscalerPolicySpec = {
  enabled: true,
  isScopedMode: true,
  clusterLimits: { enabled: true, cpu: { minCores: 2 } },
  horizontalPodAutoscaler: { enabled: true },
  unschedulablePods: {
    enabled: true,
    headroom: { enabled: true, memoryPercentage: 20 },
    nodeConstraints: { enabled: true, minCpuCores: 4 },
  },
  spotInstances: { enabled: true, spotBackups: { enabled: true }, spotDiversityEnabled: true },
  nodeDownscaler: {
    enabled: true,
    emptyNodes: { enabled: true },
    evictor: { enabled: true, scopedMode: true },
  },
};

t.test('without an object, or with an empty one, every policy is off', async (t) => {
  t.same(known(), NOTHING);
  t.same(known({}), NOTHING);
  t.same(policiesNow(view(undefined, 'unserved'), {}), { known: true, policies: NOTHING, overridden: [] });
});

t.test('policies that are on take the defaults of the field for what is left out', async (t) => {
  t.same(known(ALL), {
    enabled: true,
    scopedMode: true,
    clusterLimits: { minCores: 2 },
    horizontalPodAutoscaler: true,
    unschedulablePods: {
      mode: 'plan',
      headroom: { cpuPercentage: 10, memoryPercentage: 20 },
      headroomSpot: undefined,
      capacityBuffers: false,
      nodeConstraints: { minCpuCores: 4, maxCpuCores: 32, minRamMib: 2_048, maxRamMib: 262_144 },
    },
    spotInstances: {
      interruptionTolerance: 'costEfficient',
      backups: { restoreEveryMs: 1_800_000 },
      diversity: { priceIncreaseLimitPercent: 20 },
    },
    emptyNodes: { delayMs: 300_000 },
    evictor: { enabled: true, scopedMode: true },
  });
  t.equal(
    known({ enabled: true, spotInstances: { enabled: true, maxReclaimRate: 10 } }).spotInstances
      ?.interruptionTolerance,
    'leastInterrupted',
  );
});

t.test('a switch above others turns all below it off', async (t) => {
  const off = known({ ...ALL, enabled: false });
  t.same(off, { ...NOTHING, evictor: { enabled: false, scopedMode: true } });
  const { emptyNodes, evictor } = known({
    ...ALL,
    nodeDownscaler: { ...ALL.nodeDownscaler, enabled: false },
  });
  t.same([emptyNodes, evictor?.enabled], [undefined, false]);
});

t.test('the features ConfigMap wins over the AutoscalerPolicy, setting by setting', async (t) => {
  const features = featuresOf(
    'policies: {clusterLimits: {cpu: {maxCores: "8"}}, unschedulablePods: {enabled: false, mode: single}, nodeDownscaler: {emptyNodes: {delaySeconds: 0}}}',
  );
  const now = policiesNow(
    view({ ...ALL, clusterLimits: { enabled: true, cpu: { minCores: 2, maxCores: 64 } } }),
    features,
  );
  t.match(now, {
    known: true,
    policies: {
      clusterLimits: { minCores: 2, maxCores: 8 },
      unschedulablePods: undefined,
      emptyNodes: { delayMs: 0 },
    },
    overridden: ['clusterLimits.cpu.maxCores', 'unschedulablePods.enabled'],
  });
  const alone = policiesNow(
    view(),
    featuresOf('policies: {enabled: true, horizontalPodAutoscaler: {enabled: true}}'),
  );
  t.match(
    alone,
    { known: true, policies: { horizontalPodAutoscaler: true } },
    'it also counts without an object',
  );
});

t.test('settings that make sense alone and not together put nothing in force', async (t) => {
  const features = featuresOf('policies: {clusterLimits: {cpu: {maxCores: 8}}}');
  t.match(
    policiesNow(view({ enabled: true, clusterLimits: { enabled: true, cpu: { minCores: 9 } } }), features),
    {
      known: false,
      reason: 'PoliciesInvalid',
      message: /clusterLimits\.cpu\.minCores: minCores is above maxCores/,
    },
  );
});

t.test('an object that can not be read is never taken for one that says off', async (t) => {
  const stored = { enabled: true, clusterLimits: { enabled: 'yes' } } as unknown as AutoscalerPolicySpec;
  const CASES = [
    [{ ...view(), hasSynced: false }, 'PoliciesNotRead', /not been read yet/],
    [view({}, 'removed'), 'PoliciesNotServed', /restart kentroller/],
    [view({}, 'forbidden'), 'PoliciesForbidden', /grant list and watch on autoscalerpolicies/],
    [view(stored), 'PoliciesInvalid', /clusterLimits\.enabled/],
  ] as const;
  for (const [seen, reason, message] of CASES)
    t.match(policiesNow(seen, {}), { known: false, reason, message }, reason);
});

t.test('where there never was one, a right that is missing changes nothing', async (t) => {
  for (const absence of ['forbidden', 'removed'] as const) {
    t.same(policiesNow({ ...view(undefined, absence), wasSeen: false }, {}), {
      known: true,
      policies: NOTHING,
      overridden: [],
    });
    t.match(policiesNow({ ...view(undefined, absence), wasSeen: true }, {}), { known: false });
  }
});

t.test('a change counts at the next look, without a restart', async (t) => {
  let object = objectOf({ enabled: true, horizontalPodAutoscaler: { enabled: false } });
  let features: Features = {};
  const now = readPolicies({ get: () => object, absence: undefined, hasSynced: true }, () => features);
  t.match(now(), { policies: { horizontalPodAutoscaler: false } });
  object = objectOf({ enabled: true, horizontalPodAutoscaler: { enabled: true } });
  t.match(now(), { policies: { horizontalPodAutoscaler: true } });
  features = featuresOf('policies: {enabled: false}');
  t.match(now(), { policies: { horizontalPodAutoscaler: false } });
});
