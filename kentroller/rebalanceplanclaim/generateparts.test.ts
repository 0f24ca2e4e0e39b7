import t from 'tap';
import { CANCEL } from '../../api/labels.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { runControllers } from '../../kube/controller/controller.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { KubeError } from '../../kube/errors.ts';
import { until } from '../../kube/testing/until.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { fragmentedCluster } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { createCaches, startCaches } from '../caches.ts';
import { dieAtEachWrite } from '../testing/crash.ts';
import { createPlanGenerationController } from './generate.ts';
import type { Planning } from './plannerworker.ts';
import { createPlanProgressController } from './planprogress.ts';

/** Large decisions and refused writes on a real API server: claims that need several plans, or get none. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'generateparts-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'generateparts-test', level: 'silent' });
const RUN = `parts-${process.pid}`;
const SOON = { timeoutMs: 60_000, everyMs: 50 };
const caches = createCaches({ client, log });
const ending = new AbortController();

/** The caches with another cluster in them, too large for one plan. */
const cluster = fragmentedCluster(200, 50, 20);
const listOf = <T>(objects: readonly T[]) => ({ list: () => objects });
/** Changes of this file's claims alone: the API server has claims of other suites too. */
const ownClaims = new Proxy(caches.claims, {
  get: (target, property) => {
    if (property === 'onChange') {
      const onChange: typeof target.onChange = (listener) =>
        target.onChange((change) => {
          if (change.object.metadata.name.startsWith(RUN)) listener(change);
        });
      return onChange;
    }
    const member: unknown = Reflect.get(target, property);
    return typeof member === 'function' ? member.bind(target) : member;
  },
});
const large = {
  ...caches,
  claims: ownClaims,
  nodes: listOf(cluster.nodes),
  pods: listOf(cluster.pods),
  nodePools: listOf(cluster.nodePools),
  nodeClaims: listOf(cluster.nodeClaims),
} as unknown as typeof caches;

const search: Planning = async (request) => rebalance({ ...request, rounds: 20 });

/** A planner that takes no time: it finds every node in scope empty. */
const emptyAll: Planning = async ({ scope }) => ({
  selectedNodes: scope?.nodeNames ?? [],
  skippedNodes: [],
  plan: {
    spec: {
      execute: false,
      nodeClaimsToDelete: (scope?.nodeNames ?? []).map((nodeClaimName) => ({ nodeClaimName })),
    },
    savings: {
      projectedSavingsPercent: '100.0',
      projectedSavingsCostMonthly: '10.00',
      currentMonthlyCost: '10.00',
      projectedMonthlyCost: '0.00',
    },
  },
});

const live = (
  o: {
    planning?: Planning;
    api?: KubeClient;
    stopping?: AbortController;
    catalogue?: () => Promise<typeof smallCatalogue>;
  } = {},
) => {
  const { api = client, stopping = new AbortController() } = o;
  const shared = { client: api, caches: large, log, clock: { now: Date.now } };
  const recorder = createRecorder({ client, component: 'generateparts-test', log });
  const running = runControllers({
    controllers: [
      createPlanGenerationController({
        ...shared,
        recorder,
        catalogue: o.catalogue ?? (async () => smallCatalogue),
        planning: o.planning ?? emptyAll,
        isEnabled: () => true,
        priceWarning: () => undefined,
        timeBudgetMs: 5_000,
        surgeByDefault: false,
      }),
      createPlanProgressController({ ...shared, recorder }),
    ],
    signal: stopping.signal,
    log,
  });
  return async (): Promise<void> => {
    stopping.abort();
    await running;
  };
};

const ask = (name: string, spec: object = {}) =>
  client.create(REBALANCE_PLAN_CLAIMS, {
    metadata: { name: `${RUN}-${name}` },
    spec: { autoExecute: false, ...spec },
  });
const statusOf = async (name: string) =>
  (await client.get(REBALANCE_PLAN_CLAIMS, { name: `${RUN}-${name}` })).status;
const reaches = (name: string, state: string) =>
  until(
    `claim ${name} at ${state}`,
    async () => {
      const status = await statusOf(name);
      return status?.state === state ? status : undefined;
    },
    SOON,
  );
const plansOf = async (name: string) =>
  (await client.list(REBALANCE_PLANS)).items.filter((p) => p.metadata.name.startsWith(`${RUN}-${name}-`));

t.before(() => startCaches(caches, [], ending.signal));
t.teardown(async () => {
  ending.abort();
  for (const resource of [REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS]) {
    for (const { metadata } of (await client.list<{ metadata: { name: string } }>(resource)).items) {
      if (metadata.name.startsWith(RUN)) {
        await client.delete(resource, { name: metadata.name }).catch(() => undefined);
      }
    }
  }
  client.close();
});

t.test('a claim too large for one plan gets several, and its state from all of them', async (t) => {
  const stop = live({ planning: search });
  t.teardown(stop);
  await ask('large');
  const ready = await reaches('large', 'Ready');
  const plans = await plansOf('large');
  t.ok(plans.length >= 3, `${plans.length} plans`);
  t.same(ready?.rebalanceNames?.toSorted(), plans.map(({ metadata }) => metadata.name).toSorted());
  t.equal(ready?.rebalanceName, ready?.rebalanceNames?.[0]);
  t.match(ready?.conditions, [
    { reason: 'PlanReady', message: /share no node, are ready: set their spec.execute/ },
  ]);
  t.ok(Number(ready?.projectedSavingsPercent) > 10, ready?.projectedSavingsPercent ?? '');
  t.notOk(plans.some((plan) => plan.spec.execute));
  const bytes = plans.map((plan) => JSON.stringify(plan).length);
  t.ok(Math.max(...bytes) < 700_000, bytes.join(' '));

  const end = async (name: string, status: object): Promise<unknown> =>
    client.patch(REBALANCE_PLANS, { name }, { status }, { subresource: 'status' });
  const [first = '', ...others] = ready?.rebalanceNames ?? [];
  await end(first, { state: 'Done' });
  t.match((await reaches('large', 'Executing'))?.conditions?.at(-1), {
    message: `1 of ${plans.length} plans have ended`,
  });
  for (const name of others.slice(1)) await end(name, { state: 'DoneWithWarnings' });
  await end(others[0] ?? '', {
    state: 'Failed',
    failureReason: 'FailureReasonTimeout',
    failureMessage: 'Too slow.',
  });
  t.match(await reaches('large', 'Failed'), {
    failureReason: 'FailureReasonTimeout',
    errorMessage: `1 of ${plans.length} plans: Too slow.`,
  });
});

t.test('canceling such a claim cancels each of its plans', async (t) => {
  const stop = live();
  t.teardown(stop);
  await ask('cancel');
  await reaches('cancel', 'Ready');
  const body = { metadata: { annotations: { [CANCEL]: 'true' } } };
  await client.patch(REBALANCE_PLAN_CLAIMS, { name: `${RUN}-cancel` }, body);
  await until(
    'every plan is canceled',
    async () => (await plansOf('cancel')).every((plan) => plan.metadata.annotations?.[CANCEL] === 'true'),
    SOON,
  );
});

t.test('a process that dies at each write stores each plan once', async (t) => {
  await ask('dies');
  const deaths = await dieAtEachWrite({
    client,
    fragment: `${RUN}-dies`,
    mostLives: 60,
    timeoutMs: SOON.timeoutMs,
    isDone: async () => (await statusOf('dies'))?.state === 'Ready',
    live: (api, stopping) => live({ api, stopping }),
  });
  const status = await reaches('dies', 'Ready');
  const plans = await plansOf('dies');
  t.same(plans.map(({ metadata }) => metadata.name).toSorted(), status?.rebalanceNames?.toSorted());
  t.ok(plans.every((plan) => plan.status?.savings));
  t.ok(deaths >= 8, `it died ${deaths} times`);
});

for (const [status, reason] of [
  [413, 'RequestEntityTooLarge'],
  [422, 'Invalid'],
  [403, 'Forbidden'],
] as const) {
  t.test(`a plan that the API server refuses with ${status} fails its claim, with the reason`, async (t) => {
    const kind = status === 403 ? 'forbidden' : 'terminal';
    const api = new Proxy(client, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property);
        if (property !== 'apply') return typeof member === 'function' ? member.bind(target) : member;
        return async () => {
          throw new KubeError(`no such plan here (${reason})`, { kind, status, reason });
        };
      },
    });
    const stop = live({ api });
    t.teardown(stop);
    await ask(`refused-${status}`);
    t.match(await reaches(`refused-${status}`, 'Failed'), {
      failureReason: 'FailureReasonPlanNotStored',
      errorMessage: `The API server refused the plan: no such plan here (${reason}). Fix the cause, then create a new claim.`,
    });
  });
}

t.test('planGenerationTimeout covers the wait for prices too', async (t) => {
  const stop = live({
    catalogue: async () => {
      throw new Error('the cloud does not answer');
    },
  });
  t.teardown(stop);
  await ask('cloudless', { timeouts: { planGenerationTimeout: '2s' } });
  t.match(await reaches('cloudless', 'Failed'), {
    failureReason: 'FailureReasonGenerationTimeout',
    errorMessage:
      /within 2 s \(Waiting for instance types and prices from the cloud: the cloud does not answer\)/,
  });
});
