import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse as parseYaml } from 'yaml';
import type { Features } from '../../api/features.ts';
import {
  REBALANCE_PLAN_CLAIMS,
  REBALANCE_PLAN_SCHEDULES,
  REBALANCE_PLANS,
  type Resource,
} from '../../api/resources.ts';
import { createCaches } from '../../kentroller/caches.ts';
import { continuousSettings, pollingPeriodMs, searchDepth } from '../../kentroller/continuous/settings.ts';
import { options as schema } from '../../kentroller/options.ts';
import { decide } from '../../kentroller/rebalanceplan/decide.ts';
import { migrationSettings } from '../../kentroller/rebalanceplan/drain/livemigrationsettings.ts';
import { createPlanGenerationController } from '../../kentroller/rebalanceplanclaim/generate.ts';
import {
  createScheduleController,
  SCHEDULE_LABEL,
} from '../../kentroller/rebalanceplanschedule/controller.ts';
import { executionState, plan } from '../../kentroller/testing/builders.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { parse } from '../../kube/component/options.ts';
import { runControllers } from '../../kube/controller/controller.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { isNotFound } from '../../kube/errors.ts';
import { until } from '../../kube/testing/until.ts';

/** What features turn on and off. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');

const options = parse(schema, { argv: [], env: {}, name: 'kentroller' });
const MINUTE = 60_000;

const SETTINGS: readonly [string, Features, object][] = [
  [
    'as it was started',
    {},
    { enabled: false, mode: 'full', threshold: 50, polls: 10_000, depth: 20, live: 'auto', answer: 30_000 },
  ],
  ['turned on', { continuousRebalancing: { enabled: true } }, { enabled: true }],
  [
    'not while the rebalancer is off',
    { continuousRebalancing: { enabled: true }, rebalancer: { enabled: false } },
    { enabled: false },
  ],
  [
    'tuned',
    {
      continuousRebalancing: {
        mode: 'drain-only',
        savingsThresholdCostMonthly: 7,
        pollingPeriodSeconds: 60,
        maxBinarySearchDepth: 3,
      },
      liveMigration: { answerTimeoutSeconds: 5 },
    },
    { mode: 'drain-only', threshold: 7, polls: MINUTE, depth: 3, live: 'auto', answer: 5_000 },
  ],
  ['live migration off', { liveMigration: { enabled: false } }, { live: 'never' }],
  ['live migration on is as it was started', { liveMigration: { enabled: true } }, { live: 'auto' }],
];

for (const [name, features, expected] of SETTINGS) {
  t.test(`settings: ${name}`, async (t) => {
    const { enabled, mode, thresholdMonthly } = continuousSettings(options, features);
    const { mode: live, answerTimeoutMs } = migrationSettings(options, features);
    const polls = pollingPeriodMs(options, features);
    const depth = searchDepth(options, features);
    t.match(
      { enabled, mode, threshold: thresholdMonthly, polls, depth, live, answer: answerTimeoutMs },
      expected,
    );
  });
}

t.test('while the rebalancer is off no plan starts, and one that runs goes on', async (t) => {
  const waiting = {
    ...plan({ nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] }),
    status: { state: 'Pending' as const },
  };
  t.match(decide(executionState(waiting, { isEnabled: false })).steps, [
    { kind: 'wait-to-start', reason: 'RebalancerDisabled' },
  ]);
  t.match(decide(executionState(waiting)).steps, [{ kind: 'start' }]);
  t.match(decide(executionState(plan(), { isEnabled: false })).steps, [
    { kind: 'advance', phase: 'NodesCreated' },
  ]);
});

t.test(
  'while the rebalancer is off claims wait and schedules make none; once it is on both go on',
  async (t) => {
    const client = connect({ kubeconfig, userAgent: 'gates-test' });
    const log = createLogger({ component: 'gates-test', level: 'silent' });
    const stopping = new AbortController();
    const name = `gates-${process.pid}`;
    for (const plural of ['rebalanceplans', 'rebalanceplanclaims', 'rebalanceplanschedules']) {
      const file = new URL(`../../manifests/base/crds/autoscaling.cast.ai_${plural}.yaml`, import.meta.url);
      const crd: { metadata: { name: string } } = parseYaml(await readFile(file, 'utf8'));
      await client.request(
        'PATCH',
        `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}`,
        {
          query: { fieldManager: 'gates-test', force: 'true' },
          body: crd,
          contentType: 'application/apply-patch+yaml',
        },
      );
    }
    const served = async (): Promise<boolean> => {
      const kinds: readonly Resource[] = [REBALANCE_PLANS, REBALANCE_PLAN_CLAIMS, REBALANCE_PLAN_SCHEDULES];
      for (const kind of kinds) await client.list(kind);
      return true;
    };
    await until('the kinds are served', served, { timeoutMs: 20_000 });

    let isOn = false;
    const caches = createCaches({ client, log });
    const recorder = createRecorder({ client, component: 'gates-test', log });
    const common = { client, caches, recorder, log, isEnabled: () => isOn };
    const generate = createPlanGenerationController({
      ...common,
      clock: { now: Date.now },
      catalogue: () => Promise.reject(new Error('no cloud here')),
      priceWarning: () => undefined,
      planning: () => Promise.reject(new Error('nothing is planned here')),
      timeBudgetMs: 1_000,
      surgeByDefault: false,
    });
    // A time that passes a full minute between the schedule's creation and now.
    const fire = createScheduleController({ ...common, clock: { now: () => Date.now() + 10 * MINUTE } });
    const running = runControllers({ controllers: [generate, fire], signal: stopping.signal, log });
    t.teardown(async () => {
      stopping.abort();
      await running;
      const gone = (error: unknown): void => {
        if (!isNotFound(error)) throw error;
      };
      await client.delete(REBALANCE_PLAN_SCHEDULES, { name }).catch(gone);
      const made = await client.list(REBALANCE_PLAN_CLAIMS, { labelSelector: `${SCHEDULE_LABEL}=${name}` });
      const names = [name, ...made.items.map((c) => c.metadata.name)];
      for (const claim of names) await client.delete(REBALANCE_PLAN_CLAIMS, { name: claim }).catch(gone);
      client.close();
    });

    const types = { apiVersion: 'autoscaling.cast.ai/v1alpha' };
    await client.create(REBALANCE_PLAN_SCHEDULES, {
      ...types,
      kind: 'RebalancePlanSchedule',
      metadata: { name },
      spec: {
        schedule: '* * * * *',
        suspend: false,
        successfulJobsHistoryLimit: 3,
        failedJobsHistoryLimit: 3,
        preserveHistory: false,
        rebalancePlanClaimTemplate: { spec: { autoExecute: false } },
      },
    });
    await client.create(REBALANCE_PLAN_CLAIMS, {
      ...types,
      kind: 'RebalancePlanClaim',
      metadata: { name },
      spec: { autoExecute: false },
    });
    const saysOf = async (): Promise<readonly string[]> => {
      const { status } = await client.get(REBALANCE_PLAN_CLAIMS, { name });
      return (status?.conditions ?? []).map((c) => c.message ?? '');
    };
    const says = (what: RegExp) =>
      until(`the claim says ${what}`, async () => (await saysOf()).some((m) => what.test(m)), {
        timeoutMs: 15_000,
      });
    const madeClaims = async (): Promise<number> =>
      (await client.list(REBALANCE_PLAN_CLAIMS, { labelSelector: `${SCHEDULE_LABEL}=${name}` })).items.length;

    await says(/rebalancer is disabled/);
    t.equal((await client.get(REBALANCE_PLAN_CLAIMS, { name })).status?.state, 'Pending');
    t.equal(await madeClaims(), 0);
    isOn = true;
    await says(/no cloud here/);
    await until('the schedule makes a claim', async () => (await madeClaims()) > 0, { timeoutMs: 15_000 });
  },
);
