import t from 'tap';
import { parseFeatures } from '../../api/features.ts';
import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import { AUTOSCALER_POLICIES, apiVersionOf, pathOf } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';

/** Policies that the API server refuses, with the field named, and that the features ConfigMap refuses alike. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'policies-test', qps: 200, burst: 200 });
t.teardown(() => client.close());

/** A dry-run creation that refuses unknown fields, as kubectl asks for. */
const create = (spec: object, name = AUTOSCALER_POLICY) =>
  client.request<{ readonly spec: object }>('POST', pathOf(AUTOSCALER_POLICIES), {
    query: { dryRun: 'All', fieldValidation: 'Strict' },
    body: {
      apiVersion: apiVersionOf(AUTOSCALER_POLICIES),
      kind: AUTOSCALER_POLICIES.kind,
      metadata: { name },
      spec,
    },
  });

const cpu = (limits: object) => ({ clusterLimits: { cpu: limits } });
const pods = (settings: object) => ({ unschedulablePods: settings });
const constraints = (bounds: object) => pods({ nodeConstraints: bounds });
const spot = (settings: object) => ({ spotInstances: settings });
const empty = (settings: object) => ({ nodeDownscaler: { emptyNodes: settings } });
const evictor = (settings: object) => ({ nodeDownscaler: { evictor: settings } });

/** What is refused, and the field that is named. */
const REFUSED: readonly (readonly [rule: string, spec: object, field: string, says?: string])[] = [
  [
    'min above max, cluster',
    cpu({ minCores: 9, maxCores: 8 }),
    'clusterLimits.cpu.minCores',
    'above maxCores',
  ],
  ['negative, cluster', cpu({ minCores: -1 }), 'clusterLimits.cpu.minCores'],
  ['no cores at all', cpu({ maxCores: 0 }), 'clusterLimits.cpu.maxCores'],
  ['a fraction of a core', cpu({ maxCores: 1.5 }), 'clusterLimits.cpu.maxCores'],
  ['a word for a number', cpu({ maxCores: 'many' }), 'clusterLimits.cpu.maxCores'],
  [
    'negative headroom',
    pods({ headroom: { cpuPercentage: -1 } }),
    'unschedulablePods.headroom.cpuPercentage',
  ],
  [
    'headroom above all',
    pods({ headroom: { memoryPercentage: 101 } }),
    'unschedulablePods.headroom.memoryPercentage',
  ],
  [
    'negative spot headroom',
    pods({ headroomSpot: { cpuPercentage: -5 } }),
    'unschedulablePods.headroomSpot.cpuPercentage',
  ],
  ['an unknown mode', pods({ mode: 'double' }), 'unschedulablePods.mode'],
  [
    'min above max, cores',
    constraints({ minCpuCores: 8, maxCpuCores: 4 }),
    'unschedulablePods.nodeConstraints.minCpuCores',
    'above maxCpuCores',
  ],
  [
    'min above the default max, cores',
    constraints({ minCpuCores: 33, maxRamMib: 1_000_000 }),
    'unschedulablePods.nodeConstraints.minCpuCores',
    'above maxCpuCores',
  ],
  [
    'min above max, memory',
    constraints({ minRamMib: 8_192, maxRamMib: 4_096 }),
    'unschedulablePods.nodeConstraints.minRamMib',
    'above maxRamMib',
  ],
  [
    'max below the default min, memory',
    constraints({ maxRamMib: 1_024 }),
    'unschedulablePods.nodeConstraints.minRamMib',
    'above maxRamMib',
  ],
  ['negative memory', constraints({ minRamMib: -1 }), 'unschedulablePods.nodeConstraints.minRamMib'],
  [
    'a ratio below 1:2',
    constraints({ minCpuCores: 4, maxCpuCores: 4, minRamMib: 2_048, maxRamMib: 8_191 }),
    'unschedulablePods.nodeConstraints.maxRamMib',
    '2, 4 or 8 GiB',
  ],
  [
    'a ratio above 1:8',
    constraints({ minCpuCores: 4, maxCpuCores: 4, minRamMib: 32_769, maxRamMib: 65_536 }),
    'unschedulablePods.nodeConstraints.maxRamMib',
    '2, 4 or 8 GiB',
  ],
  [
    'a ratio between 1:4 and 1:8',
    constraints({ minCpuCores: 4, maxCpuCores: 4, minRamMib: 20_000, maxRamMib: 30_000 }),
    'unschedulablePods.nodeConstraints.maxRamMib',
    '2, 4 or 8 GiB',
  ],
  ['an unknown tolerance', spot({ interruptionTolerance: 'none' }), 'spotInstances.interruptionTolerance'],
  [
    'two tolerances',
    spot({ interruptionTolerance: 'costEfficient', maxReclaimRate: 10 }),
    'spotInstances.maxReclaimRate',
    'opposite',
  ],
  [
    'a fallback that looks too often',
    spot({ spotBackups: { spotBackupRestoreRateSeconds: 59 } }),
    'spotInstances.spotBackups.spotBackupRestoreRateSeconds',
  ],
  [
    'no price limit',
    spot({ spotDiversityPriceIncreaseLimitPercent: 0 }),
    'spotInstances.spotDiversityPriceIncreaseLimitPercent',
  ],
  ['a negative delay', empty({ delaySeconds: -1 }), 'nodeDownscaler.emptyNodes.delaySeconds'],
  [
    'a cycle that never rests',
    evictor({ cycleInterval: '10ms' }),
    'nodeDownscaler.evictor.cycleInterval',
    'at least 1s',
  ],
  [
    'a back-off that is none',
    evictor({ podEvictionFailureBackOffInterval: '0s' }),
    'nodeDownscaler.evictor.podEvictionFailureBackOffInterval',
    'at least 1s',
  ],
  [
    'a negative grace period',
    evictor({ nodeGracePeriodMinutes: -2 }),
    'nodeDownscaler.evictor.nodeGracePeriodMinutes',
  ],
  ['a switch that is a word', { enabled: 'yes' }, 'enabled'],
];
/** Fields that nobody knows, at every level. */
const UNKNOWN: readonly (readonly [object, field: string])[] = [
  [{ scopedMode: true }, 'scopedMode'],
  [cpu({ cores: 4 }), 'clusterLimits.cpu.cores'],
  [pods({ headroom: { percent: 10 } }), 'unschedulablePods.headroom.percent'],
  [evictor({ scopesMode: true }), 'nodeDownscaler.evictor.scopesMode'],
];

const hasField = (field: string, says = '') =>
  new RegExp(`spec\\.${field.replaceAll('.', '\\.')}\\b.*${says}`, 's');

t.test('a policy that makes no sense is refused by the API server, with the field named', async (t) => {
  for (const [rule, spec, field, says] of REFUSED)
    await t.rejects(create(spec), { message: hasField(field, says) }, rule);
  for (const [spec, field] of UNKNOWN) {
    const message = new RegExp(`unknown field "spec\\.${field.replaceAll('.', '\\.')}"`);
    await t.rejects(create(spec), { message }, field);
  }
  await t.rejects(create({}, 'another'), {
    message: /metadata\.name: the only AutoscalerPolicy of a cluster is called default/,
  });
});

t.test('the features ConfigMap refuses the same, with the field named', async (t) => {
  for (const [rule, spec, field, says = ''] of REFUSED) {
    const read = parseFeatures({ 'config.yaml': JSON.stringify({ policies: spec }) });
    t.match(
      read,
      { ok: false, problem: new RegExp(`^policies\\.${field.replaceAll('.', '\\.')}: .*${says}`) },
      rule,
    );
  }
});

t.test('seed 002: bounds of nodes inside headroom are refused, and taken as nodeConstraints', async (t) => {
  const bounds = { enabled: true, minCpuCores: 4, maxCpuCores: 4, minRamMib: 16_384, maxRamMib: 32_768 };
  await t.rejects(create(pods({ enabled: true, headroom: bounds })), {
    message: /unknown field "spec\.unschedulablePods\.headroom\.maxCpuCores"/,
  });
  const unknown = ['minCpuCores', 'maxCpuCores', 'minRamMib', 'maxRamMib'];
  t.match(parseFeatures({ 'config.yaml': JSON.stringify({ policies: pods({ headroom: bounds }) }) }), {
    ok: true,
    unknown: unknown.map((name) => `policies.unschedulablePods.headroom.${name}`),
  });
  const { spec } = await create(constraints(bounds));
  t.same(spec, constraints(bounds));
});

/** The configuration of the seed's policies API, every field of it. */
const FULL = {
  enabled: true,
  isScopedMode: false,
  clusterLimits: { enabled: true, cpu: { minCores: 1, maxCores: 20 } },
  horizontalPodAutoscaler: { enabled: true },
  unschedulablePods: {
    enabled: true,
    mode: 'single',
    headroom: { enabled: true, cpuPercentage: 10, memoryPercentage: 10 },
    headroomSpot: { enabled: false, cpuPercentage: 0, memoryPercentage: 100 },
    nodeConstraints: { enabled: true, minCpuCores: 4, maxCpuCores: 4, minRamMib: 16_384, maxRamMib: 32_768 },
  },
  spotInstances: {
    enabled: true,
    interruptionTolerance: 'leastInterrupted',
    maxReclaimRate: 5,
    spotBackups: { enabled: true, spotBackupRestoreRateSeconds: 60 },
    spotDiversityEnabled: true,
    spotDiversityPriceIncreaseLimitPercent: 20,
  },
  nodeDownscaler: {
    enabled: true,
    emptyNodes: { enabled: true, delaySeconds: 0 },
    evictor: {
      enabled: true,
      dryRun: false,
      aggressiveMode: false,
      scopedMode: true,
      cycleInterval: '5s',
      allowed: true,
      nodeGracePeriodMinutes: 2,
      ignorePodDisruptionBudgets: false,
      podEvictionFailureBackOffInterval: '5s',
      status: 'Unknown',
    },
  },
};

t.test('every field of the policies API is kept as it was written', async (t) => {
  t.same((await create(FULL)).spec, FULL);
  t.same((await create({})).spec, {}, 'nothing is filled in');
  t.match(parseFeatures({ 'config.yaml': JSON.stringify({ policies: FULL }) }), { ok: true, unknown: [] });
});
