import t from 'tap';
import type { RebalancePlanSchedule } from '../../api/kinds/rebalanceplanschedule.ts';
import type { KubeObject } from '../../api/objects.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLAN_SCHEDULES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { fromStatus, KubeError } from '../../kube/errors.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { createScheduleController } from './controller.ts';

/** A schedule whose claims or status the API server refuses says so, and goes on. */

const DUE = Date.parse('2026-11-16T02:00:00Z');

const REFUSED = 'metadata.labels: Invalid value';
const refusal = (status: number): Error => fromStatus({ server: 'test', status }, { message: REFUSED });

/** The controller on a schedule in memory, with the HTTP statuses that creations of claims and writes of its status end with. */
const standing = (status: number | undefined, ofStatus?: number) => {
  let schedule: RebalancePlanSchedule = {
    metadata: { name: 'nightly', uid: 'u', generation: 1, creationTimestamp: '2026-11-16T00:00:30Z' },
    spec: {
      schedule: '0 2 * * *',
      rebalancePlanClaimTemplate: { spec: { autoExecute: true } },
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 3,
      preserveHistory: false,
    },
  };
  let tries = 0;
  const claims = new Set<string>();
  const client = {
    get: async () => schedule,
    create: async (_: unknown, { metadata: { name } }: KubeObject) => {
      tries += 1;
      if (status !== undefined) throw refusal(status);
      if (claims.has(name)) throw new KubeError('it is there', { kind: 'already-exists', status: 409 });
      claims.add(name);
    },
    replace: async (_: unknown, changed: RebalancePlanSchedule) => {
      if (ofStatus !== undefined) throw refusal(ofStatus);
      schedule = changed;
      return changed;
    },
  };
  const events: { type: string; reason: string; message: string }[] = [];
  const recorder: Recorder = {
    event: (_: unknown, __: KubeObject, type, reason, message) => void events.push({ type, reason, message }),
    flush: async () => {},
  };
  const clock = { at: DUE + 1_000, now: () => clock.at };
  const controller = createScheduleController({
    client: client as unknown as KubeClient,
    caches: {
      schedules: new FakeCache(REBALANCE_PLAN_SCHEDULES),
      claims: new FakeCache(REBALANCE_PLAN_CLAIMS),
    },
    recorder,
    log: createLogger({ component: 'test', level: 'silent' }),
    clock,
  });
  const reconcile = () => controller.reconcile('nightly', new AbortController().signal);
  return { reconcile, events, clock, claims, status: () => schedule.status, tries: () => tries };
};

const conditionOf = (status: RebalancePlanSchedule['status']) =>
  status?.conditions?.find(({ type }) => type === 'RunStarted');

for (const status of [422, 413, 400]) {
  t.test(`a claim refused with ${status} is told on the schedule, whose next run tries again`, async (t) => {
    const o = standing(status);
    const action = await o.reconcile();
    t.match(conditionOf(o.status()), {
      status: 'False',
      reason: 'ClaimRefused',
      message:
        /^The run of 2026-11-16T02:00:00.000Z made no RebalancePlanClaim nightly-1794794400, because metadata.labels/,
    });
    t.match(o.events, [{ type: 'Warning', reason: 'ClaimRefused', message: /Invalid value/ }]);
    t.equal(o.status()?.lastScheduleTime, '2026-11-16T02:00:00.000Z');
    t.same(action, { kind: 'requeue', afterMs: 3_600_000 }, 'it wakes up for the next run');
    await o.reconcile();
    t.equal(o.tries(), 1, 'the run is over');
    o.clock.at = DUE + 86_400_000;
    await o.reconcile();
    t.equal(o.tries(), 2, 'the next run tries again');
  });
}

t.test('a claim that is forbidden is told on the schedule, and tried again after a minute', async (t) => {
  const o = standing(403);
  const action = await o.reconcile();
  t.match(conditionOf(o.status()), {
    status: 'False',
    reason: 'ClaimRefused',
    message: /grant it.*every minute$/,
  });
  t.match(o.events, [{ type: 'Warning', reason: 'ClaimRefused' }]);
  t.equal(o.status()?.lastScheduleTime, undefined);
  t.same(action, { kind: 'requeue', afterMs: 60_000 });
  o.clock.at += 60_000;
  await o.reconcile();
  t.equal(o.tries(), 2);
});

t.test('other errors are for the work queue', async (t) => {
  const o = standing(503);
  await t.rejects(o.reconcile(), /Invalid value/);
  t.equal(o.status(), undefined);
});

for (const status of [413, 422, 403]) {
  t.test(`a status refused with ${status} is for the work queue, and its run makes one claim`, async (t) => {
    const o = standing(undefined, status);
    for (let again = 0; again < 3; again += 1) {
      await t.rejects(o.reconcile(), { message: REFUSED });
      o.clock.at += 60_000;
    }
    t.same([...o.claims], ['nightly-1794794400']);
  });
}
