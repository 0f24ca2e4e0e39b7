import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse } from 'yaml';
import type { RebalancePlanSchedule } from '../../api/kinds/rebalanceplanschedule.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLAN_SCHEDULES } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { runControllers } from '../../kube/controller/controller.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { until } from '../../kube/testing/until.ts';
import { createScheduleController, SCHEDULE_LABEL } from './controller.ts';

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'schedule-test' });
const log = createLogger({ component: 'schedule-test', level: 'silent' });
const stopping = new AbortController();
const name = `nightly-${process.pid}`;
const MINUTE = 60_000;

const CRDS = ['rebalanceplanclaims', 'rebalanceplanschedules'];

t.before(async () => {
  for (const plural of CRDS) {
    const file = new URL(`../../manifests/base/crds/autoscaling.cast.ai_${plural}.yaml`, import.meta.url);
    const crd: { metadata: { name: string } } = parse(await readFile(file, 'utf8'));
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}`;
    await client.request('PATCH', path, {
      query: { fieldManager: 'schedule-test', force: 'true' },
      body: crd,
      contentType: 'application/apply-patch+yaml',
    });
  }
  await until('the kinds are served', async () => Boolean(await client.list(REBALANCE_PLAN_SCHEDULES)), {
    timeoutMs: 20_000,
  });
});

t.teardown(async () => {
  stopping.abort();
  await client.delete(REBALANCE_PLAN_SCHEDULES, { name }).catch(() => undefined);
  const { items } = await client.list(REBALANCE_PLAN_CLAIMS, { labelSelector: `${SCHEDULE_LABEL}=${name}` });
  for (const claim of items) await client.delete(REBALANCE_PLAN_CLAIMS, { name: claim.metadata.name });
  client.close();
});

t.test(
  'a schedule makes claims at its times, skips overlaps, keeps its history and can be suspended',
  async (t) => {
    const created = await client.create(REBALANCE_PLAN_SCHEDULES, {
      apiVersion: 'autoscaling.cast.ai/v1alpha',
      kind: 'RebalancePlanSchedule',
      metadata: { name },
      spec: {
        schedule: '*/10 * * * *',
        rebalancePlanClaimTemplate: {
          metadata: { labels: { team: 'a' } },
          spec: { autoExecute: true, minSavingsPercentage: '15' },
        },
        successfulJobsHistoryLimit: 1,
      } as unknown as RebalancePlanSchedule['spec'],
    });
    const begin = Date.parse(created.metadata.creationTimestamp ?? '');
    const due = Math.ceil(begin / (10 * MINUTE)) * 10 * MINUTE;
    const clock = { at: begin, now: () => clock.at };
    const caches = {
      schedules: createCache({ client, resource: REBALANCE_PLAN_SCHEDULES, log }),
      claims: createCache({ client, resource: REBALANCE_PLAN_CLAIMS, log }),
    };
    const controller = createScheduleController({
      client,
      caches,
      recorder: createRecorder({ client, component: 'schedule-test', log }),
      log,
      clock,
    });
    const running = runControllers({ controllers: [controller], signal: stopping.signal, log });
    await Promise.all([caches.schedules.synced(), caches.claims.synced()]);

    const claims = async () =>
      (await client.list(REBALANCE_PLAN_CLAIMS, { labelSelector: `${SCHEDULE_LABEL}=${name}` })).items;
    const schedule = () => client.get(REBALANCE_PLAN_SCHEDULES, { name });
    /** Moves the clock; the schedule is touched, as its own timer runs on real time. */
    const moveTo = async (at: number): Promise<void> => {
      clock.at = at;
      await client.patch(
        REBALANCE_PLAN_SCHEDULES,
        { name },
        { metadata: { annotations: { at: String(at) } } },
      );
    };
    const finish = (claim: string) =>
      client.patch(
        REBALANCE_PLAN_CLAIMS,
        { name: claim },
        { status: { state: 'Completed', completionTime: new Date(clock.at).toISOString() } },
        { subresource: 'status' },
      );
    const wait = { timeoutMs: 20_000, everyMs: 50 };

    await moveTo(due + 1000);
    const [first] = await until(
      'the first claim',
      async () => ((await claims()).length === 1 ? claims() : undefined),
      wait,
    );
    t.equal(first?.metadata.name, `${name}-${due / 1000}`);
    t.match(first?.metadata.ownerReferences?.[0], { kind: 'RebalancePlanSchedule', name });
    t.equal(first?.metadata.labels?.team, 'a');
    t.match(first?.spec, { autoExecute: true, minSavingsPercentage: '15' });

    await moveTo(due + 10 * MINUTE + 1000);
    const second = new Date(due + 10 * MINUTE).toISOString();
    await until(
      'the second time is noted',
      async () => (await schedule()).status?.lastScheduleTime === second,
      wait,
    );
    t.equal((await claims()).length, 1, 'an overlapping run is skipped');

    await finish(first?.metadata.name ?? '');
    await moveTo(due + 20 * MINUTE + 1000);
    const third = `${name}-${due / 1000 + 1200}`;
    await until('the third claim', async () => (await claims()).some((c) => c.metadata.name === third), wait);
    await finish(third);
    await until('history is cut', async () => (await claims()).length === 1, wait);
    t.same(
      (await claims()).map((c) => c.metadata.name),
      [third],
      'the newest is kept',
    );
    const { status } = await until(
      'the status tells',
      async () => {
        const found = await schedule();
        return found.status?.lastExecution?.name === third ? found : undefined;
      },
      wait,
    );
    t.equal(status?.activeCount, 0);
    t.equal(status?.nextScheduleTime, new Date(due + 30 * MINUTE).toISOString());
    t.equal(status?.lastExecution?.status, 'Completed');

    await client.patch(REBALANCE_PLAN_SCHEDULES, { name }, { spec: { suspend: true } });
    await moveTo(due + 60 * MINUTE);
    await until(
      'it is suspended',
      async () => (await schedule()).status?.nextScheduleTime === undefined,
      wait,
    );
    t.equal((await claims()).length, 1, 'a suspended schedule makes nothing');
    await client.patch(REBALANCE_PLAN_SCHEDULES, { name }, { spec: { suspend: false } });
    const next = new Date(due + 70 * MINUTE).toISOString();
    await until('it goes on', async () => (await schedule()).status?.nextScheduleTime === next, wait);
    t.equal((await claims()).length, 1, 'and does not catch up');

    stopping.abort();
    await running;
  },
);
