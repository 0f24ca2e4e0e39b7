import { Registry } from 'prom-client';
import t from 'tap';
import { INSTANCE_TYPE } from '../../api/labels.ts';
import { NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { until } from '../../kube/testing/until.ts';
import type { AuditNote } from '../audit/trail.ts';
import { createCaches, startCaches } from '../caches.ts';
import { policiesNow } from '../policies/settings.ts';
import type { PlanningAnswer, PlanningRequest } from '../rebalanceplanclaim/plannerworker.ts';
import { countRefusals, verified } from '../rebalanceplanclaim/verified.ts';
import { crashingClient } from '../testing/crash.ts';
import { CONTINUOUS, MADE_BY } from './decide.ts';
import { type ContinuousOptions, rebalanceContinuously, runCycle } from './run.ts';
import type { ContinuousSettings } from './settings.ts';

/** Cycles on a real API server with a fake planner. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'continuous-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'continuous-test', level: 'silent' });
const stopping = new AbortController();
const { signal } = stopping;
// Other suites leave plans on this API server; these caches hide them.
const caches = {
  ...createCaches({ client, log }),
  plans: createCache({
    client,
    log,
    resource: REBALANCE_PLANS,
    labelSelector: `${MADE_BY}=${CONTINUOUS}`,
  }),
};
const SOON = { timeoutMs: 20_000, everyMs: 50 };
const NODE = `continuous-${process.pid}`;
const clock = { at: Date.now(), now: () => clock.at };

/** Policies that nobody has set. */
const NO_POLICIES = policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {});
const SETTINGS: ContinuousSettings = {
  enabled: true,
  mode: 'full',
  minNodeAgeMs: 0,
  minNodes: 1,
  maxNodes: 7,
  moveWeight: 1,
  thresholdPercent: 10,
  thresholdMonthly: 50,
  podMoveCooldownMs: 0,
  failureBackoffMs: 1_800_000,
  aggressive: { ignoreBlockingPDB: true, drainTimeout: '90s' },
};

const answer = (percent: string, monthly: string): PlanningAnswer => ({
  selectedNodes: [NODE],
  skippedNodes: [],
  plan: {
    spec: { execute: false, nodeClaimsToDelete: [{ nodeClaimName: NODE }] },
    savings: {
      projectedSavingsPercent: percent,
      projectedSavingsCostMonthly: monthly,
      currentMonthlyCost: '1000.00',
      projectedMonthlyCost: '900.00',
    },
  },
});

const options = (o: {
  readonly settings?: Partial<ContinuousSettings>;
  readonly plan?: PlanningAnswer;
  readonly api?: KubeClient;
  readonly requests?: PlanningRequest[];
  readonly priceGap?: string;
}): ContinuousOptions => ({
  client: o.api ?? client,
  caches,
  catalogue: async () => ({
    instanceTypes: [],
  }),
  planning: async (request) => {
    o.requests?.push(request);
    return o.plan ?? answer('12.0', '120.00');
  },
  priceGap: () => o.priceGap,
  settings: () => ({ ...SETTINGS, ...o.settings }),
  timeBudgetMs: () => 1_000,
  pollingPeriodMs: () => 5,
  policies: () => NO_POLICIES,
  surgeByDefault: true,
  recorder: createRecorder({ client, component: 'continuous-test', log }),
  audit: { note: () => {} },
  log,
  clock,
  signal,
});

t.before(async () => {
  await client.create(NODES, { metadata: { name: NODE, labels: { [INSTANCE_TYPE]: 'm5.large' } } });
  await startCaches(caches, [], signal);
  // Creation times are whole seconds, so the clock is set past the node's.
  clock.at = Date.now() + 5_000;
});
t.teardown(async () => {
  await clear();
  await client.delete(NODES, { name: NODE });
  stopping.abort();
  client.close();
});

const ours = async () =>
  (await client.list(REBALANCE_PLANS, { labelSelector: `${MADE_BY}=${CONTINUOUS}` })).items;

const clear = async (): Promise<void> => {
  for (const { metadata } of await ours()) await client.delete(REBALANCE_PLANS, { name: metadata.name });
  await until('the cache shows none', () => caches.plans.list().length === 0, SOON);
};

t.test('a cycle plans within the settings and creates one plan that runs by itself', async (t) => {
  const requests: PlanningRequest[] = [];
  const outcome = await runCycle(options({ requests }));
  t.match(outcome, /^created plan continuous-rebalancing-\d+, which saves 12.0 %$/);
  t.match(requests, [
    {
      constraints: { maxNodes: 7 },
      aggressive: SETTINGS.aggressive,
      timeBudgetMs: 1_000,
      leastSavings: { percent: 10, monthly: 50 },
    },
  ]);
  const [plan] = await ours();
  t.match(plan, {
    spec: { execute: true, aggressiveMode: { drainTimeout: '90s' } },
    status: { savings: { projectedSavingsCostMonthly: '120.00' } },
  });
  t.equal(plan?.metadata.ownerReferences, undefined, 'without a claim');
  await until('the cache has it', () => caches.plans.list().length === 1, SOON);
  t.match(await runCycle(options({})), /plan continuous-rebalancing-\d+ has not finished/);
  await clear();
});

t.test('a cycle that makes nothing says why', async (t) => {
  t.match(await runCycle(options({ settings: { enabled: false } })), 'continuous rebalancing is not enabled');
  t.match(await runCycle(options({ settings: { minNodes: 1000 } })), /1000 are needed/);
  t.match(
    await runCycle(options({ plan: answer('9.9', '500.00') })),
    /not stored: it saves 9.9 %, less than 10/,
  );
  t.match(await runCycle(options({ plan: answer('50.0', '49.99') })), /not stored: it saves 49.99 USD/);
  const none = {
    selectedNodes: [],
    skippedNodes: [],
    plan: null,
    reason: 'No node in scope may be replaced.',
  };
  t.match(await runCycle(options({ plan: none })), 'No node in scope may be replaced.');
  t.same(await ours(), []);
});

t.test('with list prices alone nothing is bought unasked, and nodes are still drained', async (t) => {
  const requests: PlanningRequest[] = [];
  const priceGap = 'The cloud never told its spot prices';
  t.equal(
    await runCycle(options({ priceGap, requests })),
    'The cloud never told its spot prices: nothing is bought by them unasked',
  );
  t.same(requests, []);
  const settings = { mode: 'drain-only' } as const;
  t.match(await runCycle(options({ priceGap, requests, settings })), /created plan/);
  t.equal(requests.length, 1);
  await clear();
});

t.test('a process that dies in a cycle leaves no plan that would run without its savings', async (t) => {
  for (let n = 0; n < 6; n++) {
    let writes = 0;
    const api = crashingClient(
      client,
      () => writes++ === n,
      () => {},
    );
    clock.at += 1_000;
    await runCycle(options({ api })).catch(() => undefined);
    for (const plan of await ours()) {
      t.ok(!plan.spec.execute || plan.status?.savings, `after write ${n}`);
    }
    const known = (await ours()).length;
    await until('the cache has them', () => caches.plans.list().length === known, SOON);
    for (const plan of await ours()) {
      if (plan.spec.execute) await client.delete(REBALANCE_PLANS, { name: plan.metadata.name });
    }
    await until(
      'running plans have ended',
      async () => caches.plans.list().every((p) => !p.spec.execute),
      SOON,
    );
  }
  clock.at += 1_000;
  t.match(await runCycle(options({})), 'created plan');
  t.equal((await ours()).length, 1, 'a plan that was never executed is deleted');
  await clear();
});

t.test(
  'a plan that the check refuses is not stored, and the cycle rests as after a failed plan',
  async (t) => {
    const notes: AuditNote[] = [];
    const ending = new AbortController();
    let cycles = 0;
    // A NodeClaim of an unknown cluster, which does not exist here.
    const planning = verified(
      async () => {
        cycles += 1;
        return answer('12.0', '120.00');
      },
      { source: 'continuous', refusals: countRefusals(new Registry()), log },
    );
    const running = rebalanceContinuously({
      ...options({ settings: { failureBackoffMs: 60_000 } }),
      planning,
      audit: { note: (note) => void notes.push(note) },
      signal: ending.signal,
    });
    await until('it failed', () => notes.some((n) => n.reason === 'ContinuousCycleFailed'), SOON);
    ending.abort();
    await running;
    t.match(notes.at(-1)?.message, /was refused, because it breaks rule UnknownNodeClaim/);
    t.equal(cycles, 1, 'it rests');
    t.same(await ours(), []);
  },
);

t.test('the same outcome is noted once, a failed cycle as failed', async (t) => {
  const notes: AuditNote[] = [];
  const ending = new AbortController();
  let cycles = 0;
  const running = rebalanceContinuously({
    ...options({ settings: { enabled: true, failureBackoffMs: 20 } }),
    planning: async () => {
      cycles += 1;
      if (cycles > 5) throw new Error('the planner is broken');
      return answer('1.0', '1.00');
    },
    audit: { note: (note) => void notes.push(note) },
    signal: ending.signal,
  });
  await until('it failed', () => notes.some((n) => n.reason === 'ContinuousCycleFailed'), SOON);
  ending.abort();
  await running;
  t.equal(notes.filter((n) => n.reason === 'ContinuousCycle').length, 1);
  t.match(notes.at(-1)?.message, 'the planner is broken');
});
