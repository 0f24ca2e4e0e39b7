import { Registry } from 'prom-client';
import t from 'tap';
import type { Features } from '../../api/features.ts';
import { EVICTOR_CONFIG, type EvictorConfig, type EvictorSpec } from '../../api/kinds/evictorconfig.ts';
import { HOSTNAME } from '../../api/labels.ts';
import type { NodeClaim, Pod } from '../../api/objects.ts';
import { EVENTS, EVICTOR_CONFIGS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { makePod } from '../../planner/testing/builders.ts';
import type { Caches } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import type { PlanningAnswer, PlanningRequest } from '../rebalanceplanclaim/plannerworker.ts';
import { crashingClient } from '../testing/crash.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { runCycle } from './cycle.ts';
import { evictorMetrics } from './metrics.ts';
import { EVICTOR } from './moves.ts';
import { type EvictorOptions, evictContinuously } from './run.ts';
import { evictorSettings } from './settings.ts';

/** Cycles and settings on a real API server, with a planner that always empties one node. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'evictor-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'evictor-test', level: 'silent' });
const stopping = new AbortController();
const { signal } = stopping;
const SOON = { timeoutMs: 60_000, everyMs: 50 };
const NODE = `evictor-${process.pid}`;
const CLAIM: NodeClaim = {
  metadata: { name: `claim-${NODE}` },
  spec: { nodeClassRef: { group: 'g', kind: 'k', name: 'n' }, requirements: [] },
  status: { nodeName: NODE },
};
const clock = { at: Date.now(), now: () => clock.at };

// Other suites leave plans and nodes on this API server; these caches hide them.
const plans = createCache({ client, log, resource: REBALANCE_PLANS, labelSelector: `${MADE_BY}=${EVICTOR}` });
const nodes = createCache({ client, log, resource: NODES, labelSelector: `${HOSTNAME}=${NODE}` });
const configs = createCache({ client, log, resource: EVICTOR_CONFIGS });
const listOf = <T>(items: readonly T[]) => ({ list: () => items, get: () => undefined, by: () => items });
const POD: Pod = makePod('web-1', { node: NODE });
const caches = {
  plans,
  nodes: { list: () => nodes.list(), get: (name: string) => nodes.get(name), by: () => [] },
  nodeClaims: listOf([CLAIM]),
  pods: listOf([POD]),
  ...Object.fromEntries(
    CACHE_NAMES.filter((kind) => !['plans', 'nodes', 'nodeClaims', 'pods'].includes(kind)).map((kind) => [
      kind,
      listOf([]),
    ]),
  ),
} as unknown as Caches;

const ANSWER: PlanningAnswer = {
  selectedNodes: [NODE],
  skippedNodes: [{ name: 'other', reasons: ['it is not ready'] }],
  plan: {
    spec: {
      execute: false,
      nodeClaimsToDelete: [{ nodeClaimName: CLAIM.metadata.name }],
      podsToMigrate: [{ name: 'web-1', namespace: 'default', srcNode: NODE, dstNodeClaimName: 'claim-kept' }],
    },
    savings: {
      projectedSavingsPercent: '12.0',
      projectedSavingsCostMonthly: '120.00',
      currentMonthlyCost: '1000.00',
      projectedMonthlyCost: '880.00',
    },
  },
};

let features: Features = {};
const registry = new Registry();
const options = (o: { api?: KubeClient; requests?: PlanningRequest[] } = {}): EvictorOptions => ({
  client: o.api ?? client,
  caches,
  configs,
  features: () => features,
  isEnabled: () => true,
  catalogue: async () => ({ instanceTypes: [] }),
  planning: async (request) => {
    o.requests?.push(request);
    return ANSWER;
  },
  timeBudgetMs: () => 1_000,
  surgeByDefault: false,
  recorder: createRecorder({ client, component: 'evictor-test', log }),
  metrics: evictorMetrics(registry),
  audit: { note: () => {} },
  log,
  clock,
  signal,
});
const AGGRESSIVE = evictorSettings(undefined, { evictor: { enabled: true, aggressiveMode: true } });

const ours = async () =>
  (await client.list(REBALANCE_PLANS, { labelSelector: `${MADE_BY}=${EVICTOR}` })).items;
const clear = async (): Promise<void> => {
  for (const { metadata } of await ours())
    await client.delete(REBALANCE_PLANS, { name: metadata.name }).catch(ignoreNotFound);
  await until('the cache shows no plan', () => plans.list().length === 0, SOON);
};
const config = (spec: EvictorSpec, name = EVICTOR_CONFIG): EvictorConfig => ({ metadata: { name }, spec });
const removeConfig = (): Promise<unknown> =>
  client.delete(EVICTOR_CONFIGS, { name: EVICTOR_CONFIG }).catch(ignoreNotFound);

t.before(async () => {
  await client.create(NODES, { metadata: { name: NODE, labels: { [HOSTNAME]: NODE } } });
  for (const cache of [plans, nodes, configs]) {
    cache.start(signal);
    await cache.synced(signal);
  }
  await until('the cache shows the node', () => nodes.get(NODE), SOON);
});
t.teardown(async () => {
  await clear();
  await removeConfig();
  await client.delete(NODES, { name: NODE });
  stopping.abort();
  client.close();
});

/** Specs that the API server refuses, and what its answer names. */
const REFUSED: readonly (readonly [EvictorConfig, RegExp])[] = [
  [config({}, 'another'), /metadata\.name: the only EvictorConfig of a cluster is called default/],
  [config({ cycleInterval: '10ms' }), /spec\.cycleInterval: .*at least 1s is expected/s],
  [config({ drainTimeout: '0s' }), /spec\.drainTimeout: .*at least 1s is expected/s],
  [config({ podEvictionFailureBackOff: '5ms' }), /spec\.podEvictionFailureBackOff: .*at least 1s/s],
  [config({ podEvictionCooldown: 'soon' }), /spec\.podEvictionCooldown: /],
  [config({ podEvictionCooldown: '25h' }), /spec\.podEvictionCooldown: .*0s to 24h is expected/s],
  [config({ nodeGracePeriodMinutes: -1 }), /spec\.nodeGracePeriodMinutes: /],
  [config({ maxNodesToEvictPerCycle: 0 }), /spec\.maxNodesToEvictPerCycle: /],
  [config({ rules: [{ aggressive: true }] }), /spec\.rules\[0\]: .*podSelector or nodeSelector/s],
  [
    config({ rules: [{ podSelector: {}, nodeSelector: {}, aggressive: true }] }),
    /spec\.rules\[0\]: .*one of them/s,
  ],
  [
    config({ rules: [{ podSelector: {} }] }),
    /spec\.rules\[0\]: .*aggressive, disposable or removalDisabled/s,
  ],
];
t.test('the API server refuses settings that mean nothing, and names the field', async (t) => {
  for (const [object, message] of REFUSED) {
    await t.rejects(client.create(EVICTOR_CONFIGS, object, { dryRun: true }), { message }, String(message));
  }
  const all: EvictorSpec = {
    enabled: true,
    dryRun: true,
    aggressiveMode: true,
    scopedMode: true,
    ignorePodDisruptionBudgets: true,
    cycleInterval: '5s',
    nodeGracePeriodMinutes: 2,
    maxNodesToEvictPerCycle: 20,
    drainTimeout: '1h30m',
    podEvictionFailureBackOff: '5s',
    podEvictionCooldown: '0s',
    rules: [{ podSelector: { namespaces: ['a'], matchLabels: { app: 'web' } }, removalDisabled: true }],
  };
  t.match((await client.create(EVICTOR_CONFIGS, config(all), { dryRun: true })).spec, all);
});

t.test('a cycle makes a plan that drains as the settings say, and executes itself', async (t) => {
  const requests: PlanningRequest[] = [];
  const outcome = await runCycle(options({ requests }), { ...AGGRESSIVE, nodeGraceMs: 120_000 });
  t.match(outcome, {
    result: 'planned',
    message: `drains ${NODE}, 1 pods`,
    nodes: [{ name: NODE, pods: 1 }],
  });
  t.match(requests, [
    {
      scope: { nodeNames: [NODE] },
      constraints: { minAgeSeconds: 120 },
      evictAs: { 'default/web-1': 'Aggressive' },
    },
  ]);
  const [plan] = await ours();
  t.match(plan, {
    spec: {
      execute: true,
      drainReason: 'evictor',
      eviction: { onlyReplicated: false, failureBackOff: '5s' },
      podsToMigrate: [{ name: 'web-1', evictAs: 'Aggressive' }],
    },
    status: { savings: { projectedSavingsPercent: '12.0' } },
  });
  await until('the cache has it', () => plans.list().length === 1, SOON);
  t.match(await runCycle(options(), AGGRESSIVE), { result: 'nothing', message: /has not finished/ });
  await clear();
});

t.test('a process that dies in a cycle leaves no plan that would run without its savings', async (t) => {
  for (let n = 0; n < 8; n++) {
    let writes = 0;
    const api = crashingClient(
      client,
      () => writes++ === n,
      () => {},
    );
    clock.at += 1_000;
    await runCycle(options({ api }), AGGRESSIVE).catch(() => undefined);
    const stored = await ours();
    for (const plan of stored) t.ok(!plan.spec.execute || plan.status?.savings, `at write ${n}`);
    await until('the cache has them', () => plans.list().length === stored.length, SOON);
    for (const { metadata, spec } of stored) {
      if (spec.execute) await client.delete(REBALANCE_PLANS, { name: metadata.name });
    }
    await until('none of them runs', () => plans.list().every(({ spec }) => !spec.execute), SOON);
  }
  clock.at += 1_000;
  t.match(await runCycle(options(), AGGRESSIVE), { result: 'planned' });
  t.equal((await ours()).length, 1, 'a plan that was never executed is deleted');
  await clear();
});

t.test(
  'settings count at once, in object and ConfigMap, and the status says what became of them',
  async (t) => {
    const ending = new AbortController();
    const running = evictContinuously({ ...options(), clock: { now: Date.now }, signal: ending.signal });
    const statusOf = async () => (await client.get(EVICTOR_CONFIGS, { name: EVICTOR_CONFIG })).status;
    const said = (what: RegExp): Promise<EvictorConfig['status']> =>
      until(
        `the status says ${what}`,
        async () => {
          const status = await statusOf();
          const text = `${status?.conditions?.[0]?.reason}: ${status?.outcome}`;
          if (!what.test(text)) throw new Error(`it says ${text}`);
          return status;
        },
        SOON,
      );
    const settle = (spec: EvictorSpec): Promise<unknown> =>
      client.patch(EVICTOR_CONFIGS, { name: EVICTOR_CONFIG }, { spec });
    try {
      await client.create(EVICTOR_CONFIGS, config({ enabled: false, cycleInterval: '1s' }));
      await said(/^Disabled: the evictor is not enabled/);
      await settle({ enabled: true });
      const status = await said(/^Enabled: no node may be drained/);
      t.match(status?.skippedNodes, [{ name: NODE, reasons: [/no other pod of the workload/] }]);
      await settle({ aggressiveMode: true, dryRun: true });
      t.match(await said(/^DryRun: would drain/), { nodes: [{ name: NODE, pods: 1 }], plans: [] });
      t.same(await ours(), [], 'a dry run makes no plan');
      await until(
        'the node has the event',
        async () => {
          const fieldSelector = `involvedObject.kind=Node,involvedObject.name=${NODE},reason=EvictorDryRun`;
          const { items } = await client.list(EVENTS, { namespace: 'default', fieldSelector });
          return items.find(({ message }) =>
            /would drain this node of 1 pods, to claim-kept \(1\)/.test(message ?? ''),
          );
        },
        SOON,
      );
      features = { evictor: { enabled: false } };
      const off = await said(/^Disabled: /);
      t.match(off?.conditions, [{ message: /The features ConfigMap overrides enabled\./ }]);
      features = {};
      await settle({ dryRun: false });
      t.match((await said(/^Enabled: (drains|plan)/))?.conditions, [{ type: 'Active', status: 'True' }]);
      t.equal((await ours()).length, 1);
      const metrics = await registry.metrics();
      t.match(metrics, /kentroller_evictor_nodes_total\{result="planned"\} [1-9]/);
      t.match(metrics, /kentroller_evictor_nodes_total\{result="dry-run"\} [1-9]/);
    } finally {
      features = {};
      ending.abort();
      await running;
    }
  },
);
