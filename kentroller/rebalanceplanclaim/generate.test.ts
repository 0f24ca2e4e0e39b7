import { Registry } from 'prom-client';
import t from 'tap';
import type { RebalancePlanClaim, RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { runControllers } from '../../kube/controller/controller.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { until } from '../../kube/testing/until.ts';
import { createCaches, startCaches } from '../caches.ts';
import { dieAtEachWrite } from '../testing/crash.ts';
import { planAnswer } from '../testing/plananswer.ts';
import { createPlanGenerationController } from './generate.ts';
import { type Planning, PlanningError, PlanningTimeout } from './plannerworker.ts';
import { countRefusals, verified } from './verified.ts';

/** Claims from Pending to their plan or their failure, on a real API server with a fake planner. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'generate-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'generate-test', level: 'silent' });
const RUN = `generate-${process.pid}`;
const SOON = { timeoutMs: 20_000, everyMs: 50 };

const ANSWER = planAnswer([{ name: 'n2', reasons: ['it is not ready', 'it is being deleted'] }]);

const caches = createCaches({ client, log });
const ending = new AbortController();

interface Life {
  readonly requests: Parameters<Planning>[0][];
  stop(): Promise<void>;
}

const live = (planning: Planning, api = client, onEnd?: AbortController): Life => {
  const stopping = onEnd ?? new AbortController();
  const requests: Parameters<Planning>[0][] = [];
  const running = runControllers({
    controllers: [
      createPlanGenerationController({
        client: api,
        caches,
        catalogue: async () => ({ instanceTypes: [] }),
        priceWarning: () => undefined,
        planning: (request, timeoutMs, signal) => {
          if (request.planName.startsWith(RUN)) requests.push(request);
          return planning(request, timeoutMs, signal);
        },
        isEnabled: () => true,
        timeBudgetMs: 5_000,
        surgeByDefault: true,
        recorder: createRecorder({ client, component: 'generate-test', log }),
        log,
        clock: { now: Date.now },
      }),
    ],
    signal: stopping.signal,
    log,
  });
  return {
    requests,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
};

const ask = (name: string, spec: Partial<RebalancePlanClaimSpec> = {}): Promise<RebalancePlanClaim> =>
  client.create(REBALANCE_PLAN_CLAIMS, {
    metadata: { name: `${RUN}-${name}` },
    spec: { autoExecute: false, ...spec },
  });

const reaches = (name: string, state: string): Promise<NonNullable<RebalancePlanClaim['status']>> =>
  until(
    `claim ${name} at ${state}`,
    async () => {
      const { status } = await client.get(REBALANCE_PLAN_CLAIMS, { name: `${RUN}-${name}` });
      return status?.state === state ? status : undefined;
    },
    SOON,
  );

t.before(() => startCaches(caches, [], ending.signal));
t.teardown(async () => {
  ending.abort();
  for (const { metadata } of (await client.list(REBALANCE_PLAN_CLAIMS)).items) {
    if (metadata.name.startsWith(RUN)) await client.delete(REBALANCE_PLAN_CLAIMS, { name: metadata.name });
  }
  // Deletes what the garbage collector would delete later: others on this API server would carry them out.
  for (const { metadata } of (await client.list(REBALANCE_PLANS)).items) {
    if (metadata.name.startsWith(RUN)) {
      await client.delete(REBALANCE_PLANS, { name: metadata.name }).catch(() => undefined);
    }
  }
  client.close();
});

t.test('claims end in the state that their planner leaves them in', async (t) => {
  const late = new PlanningTimeout('no plan was found within 1 s');
  const life = live(async ({ planName }) => {
    if (planName.includes('late')) throw late;
    if (planName.includes('broken')) throw new PlanningError('the snapshot can not be read');
    if (planName.includes('nothing'))
      return { ...ANSWER, plan: null, reason: 'No cheaper set of nodes was found.' };
    return ANSWER;
  });
  t.teardown(() => life.stop());

  await ask('waits');
  const ready = await reaches('waits', 'Ready');
  t.match(ready, {
    selectedNodes: ['n1'],
    selectedNodesCount: 1,
    skippedNodes: [{ name: 'n2', reasons: ['it is not ready', 'it is being deleted'] }],
    projectedSavingsPercent: '12.4',
    conditions: [
      { type: 'Planned', status: 'True', reason: 'PlanReady', message: /set its spec.execute to true/ },
    ],
  });
  const plan = await client.get(REBALANCE_PLANS, { name: ready.rebalanceName ?? '' });
  t.equal(plan.spec.execute, false, 'nobody has let it go');
  t.match(plan.status?.savings, { projectedSavingsPercent: '12.4' });

  await ask('runs', {
    autoExecute: true,
    executionPolicy: { achievedSavingsPercentageThreshold: '5' },
    timeouts: { rebalanceExecutionTimeout: '20m' },
    minSavingsPercentage: '12.4',
  });
  const { rebalanceName = '' } = await reaches('runs', 'Ready');
  t.match(await client.get(REBALANCE_PLANS, { name: rebalanceName }), {
    spec: {
      execute: true,
      executionPolicy: { achievedSavingsPercentageThreshold: '5' },
      timeouts: { rebalanceExecutionTimeout: '20m' },
    },
  });

  await ask('toolittle', { minSavingsPercentage: '12.5' });
  t.match(await reaches('toolittle', 'Failed'), {
    failureReason: 'FailureReasonInsufficientSavings',
    errorMessage: /saves 12.4 %, less than minSavingsPercentage 12.5: lower it/,
  });
  await ask('nothing');
  t.match(await reaches('nothing', 'Skipped'), {
    skippedReason: 'NoSavings',
    skippedMessage: 'No cheaper set of nodes was found.',
  });
  await ask('late', { timeouts: { planGenerationTimeout: '1s' } });
  t.match(await reaches('late', 'Failed'), {
    failureReason: 'FailureReasonGenerationTimeout',
    errorMessage: /raise timeouts.planGenerationTimeout/,
  });
  await ask('broken');
  t.match(await reaches('broken', 'Failed'), {
    failureReason: 'FailureReasonPlanGeneration',
    errorMessage: /create a new claim/,
  });
});

t.test('a plan that the check refuses is never stored, whichever planner gave it', async (t) => {
  const refusals = countRefusals(new Registry());
  // NodeClaim c1 of an unknown cluster, which does not exist here.
  const life = live(verified(async () => ANSWER, { source: 'claim', refusals, log }));
  t.teardown(() => life.stop());
  const { metadata } = await ask('wrong', { autoExecute: true });
  const message =
    /^plan .* was refused, because it breaks rule UnknownNodeClaim: The plan deletes NodeClaim c1, which is not in the cluster: report this/;
  t.match(await reaches('wrong', 'Failed'), {
    failureReason: 'FailureReasonPlanRefused',
    errorMessage: message,
    conditions: [{}, { type: 'Succeeded', status: 'False', reason: 'FailureReasonPlanRefused', message }],
  });
  const { items } = await client.list(REBALANCE_PLANS);
  t.notOk(items.some((plan) => plan.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid)));
  t.match(await refusals.get(), { values: [{ value: 1, labels: { source: 'claim' } }, {}] });
});

t.test('scope, constraints, aggressive mode and the time for it reach the planner as they are', async (t) => {
  let timeout = 0;
  const life = live(async (_request, timeoutMs) => {
    timeout = timeoutMs;
    return ANSWER;
  });
  t.teardown(() => life.stop());
  const asked = {
    scope: { nodeNames: ['n1'] },
    nodeConstraints: { maxNodes: 3, minAgeSeconds: 60, minClusterSize: 2 },
    aggressiveModeConfig: { ignoreBlockingPDB: true, drainTimeout: '30s' },
    timeouts: { planGenerationTimeout: '2s' },
  };
  await ask('asks', asked);
  await reaches('asks', 'Ready');
  const request = life.requests.find((r) => r.planName.startsWith(`${RUN}-asks`));
  t.match(request, {
    scope: asked.scope,
    constraints: asked.nodeConstraints,
    aggressive: asked.aggressiveModeConfig,
    surgeSingleReplicas: true,
  });
  t.ok(timeout > 0 && timeout <= 2_000, `${timeout} ms`);
  t.ok((request?.timeBudgetMs ?? 0) <= 2_000);
});

t.test('a process that dies at each write makes one plan', async (t) => {
  await ask('dies', { autoExecute: true });
  const deaths = await dieAtEachWrite({
    client,
    fragment: `${RUN}-dies`,
    mostLives: 30,
    timeoutMs: SOON.timeoutMs,
    isDone: async () =>
      (await client.get(REBALANCE_PLAN_CLAIMS, { name: `${RUN}-dies` })).status?.state === 'Ready',
    live: (api, dead) => live(async () => ANSWER, api, dead).stop,
  });
  const status = await reaches('dies', 'Ready');
  const { items } = await client.list(REBALANCE_PLANS);
  const made = items.filter((p) => p.metadata.name.startsWith(`${RUN}-dies`));
  t.same(
    made.map((p) => [p.metadata.name, p.spec.execute]),
    [[status.rebalanceName, true]],
  );
  t.ok(deaths >= 8, `it died ${deaths} times`);
});
