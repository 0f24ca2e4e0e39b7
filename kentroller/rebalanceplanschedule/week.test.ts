import t from 'tap';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import type {
  RebalancePlanSchedule,
  RebalancePlanScheduleStatus,
} from '../../api/kinds/rebalanceplanschedule.ts';
import { buildClaim } from './controller.ts';
import { decideSchedule, type ScheduleStep } from './decide.ts';

/** Schedules over days of virtual time: the clock is an argument. */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = (text: string): number => Date.parse(text);

interface Life {
  readonly schedule: RebalancePlanSchedule;
  readonly from: number;
  readonly until: number;
  /** Duration of a claim. */
  readonly takesMs?: number;
  /** Whether the controller runs at this time; always when left out. */
  readonly isUp?: (now: number) => boolean;
  /** The schedule at this time. */
  readonly edit?: (schedule: RebalancePlanSchedule, now: number) => RebalancePlanSchedule;
}

interface Lived {
  readonly made: readonly string[];
  readonly skipped: readonly ScheduleStep[];
  readonly claims: readonly RebalancePlanClaim[];
  readonly status: RebalancePlanScheduleStatus | undefined;
}

/** Decides at each due time and every hour, as the controller does. */
const live = (o: Life): Lived => {
  const made: string[] = [];
  const skipped: ScheduleStep[] = [];
  let claims: RebalancePlanClaim[] = [];
  let status: RebalancePlanScheduleStatus | undefined;
  for (let now = o.from; now < o.until; ) {
    claims = claims.map((c) => {
      const ended = now - at(c.metadata.creationTimestamp ?? '') >= (o.takesMs ?? 60_000);
      return ended && !c.status
        ? { ...c, status: { state: 'Completed', completionTime: new Date(now).toISOString() } }
        : c;
    });
    let next = now + HOUR;
    if (o.isUp?.(now) ?? true) {
      const schedule = o.edit?.(o.schedule, now) ?? o.schedule;
      const decision = decideSchedule({ ...schedule, ...(status && { status }) }, claims, now);
      for (const step of decision.steps) {
        if (step.kind === 'skip-run') skipped.push(step);
        if (step.kind === 'delete-claim') claims = claims.filter((c) => c.metadata.name !== step.name);
        if (step.kind !== 'create-claim') continue;
        made.push(step.name);
        const claim = buildClaim(schedule, step.name);
        const metadata = {
          ...claim.metadata,
          uid: step.name,
          creationTimestamp: new Date(now).toISOString(),
        };
        claims.push({ ...claim, metadata });
      }
      status = decision.status;
      next = Math.min(next, decision.next ?? next);
    }
    now = Math.max(next, now + 1);
  }
  return { made, skipped, claims, status };
};

const schedule = (spec: Partial<RebalancePlanSchedule['spec']>, created: string): RebalancePlanSchedule => ({
  metadata: { name: 'nightly', uid: 'nightly-uid', generation: 1, creationTimestamp: created },
  spec: {
    schedule: '30 2 * * *',
    rebalancePlanClaimTemplate: { metadata: { labels: { team: 'a' } }, spec: { autoExecute: true } },
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 3,
    preserveHistory: false,
    ...spec,
  },
});

const times = (names: readonly string[]): string[] =>
  names.map((name) => new Date(Number(name.replace('nightly-', '')) * 1000).toISOString());

t.test('a week in New York across the change to summer time', async (t) => {
  const from = at('2026-03-05T12:00:00Z');
  const { made, claims, status } = live({
    schedule: schedule({ schedule: 'CRON_TZ=America/New_York 30 2 * * *' }, '2026-03-05T12:00:00Z'),
    from,
    until: from + 7 * DAY,
  });
  t.same(times(made), [
    '2026-03-06T07:30:00.000Z',
    '2026-03-07T07:30:00.000Z',
    // On March 8 there is no 2:30.
    '2026-03-09T06:30:00.000Z',
    '2026-03-10T06:30:00.000Z',
    '2026-03-11T06:30:00.000Z',
    '2026-03-12T06:30:00.000Z',
  ]);
  t.equal(claims.length, 3, 'history keeps three');
  t.equal(status?.nextScheduleTime, '2026-03-13T06:30:00.000Z');
  t.equal(status?.lastScheduleTime, '2026-03-12T06:30:00.000Z');
});

t.test('a day without kentroller: the latest run is caught up, unless its deadline is over', async (t) => {
  const from = at('2026-11-16T00:00:00Z');
  const o = {
    from,
    until: from + 7 * DAY,
    // Stopped from day 2, 02:00 to day 4, 05:00: the runs of days 2, 3 and 4 are missed.
    isUp: (now: number) => now < from + 2 * DAY + 2 * HOUR || now > from + 4 * DAY + 5 * HOUR,
  };
  const created = '2026-11-16T00:00:00Z';
  const lenient = live({ ...o, schedule: schedule({}, created) });
  t.same(
    times(lenient.made).map((each) => each.slice(8, 10)),
    ['16', '17', '20', '21', '22'],
  );
  const strict = live({ ...o, schedule: schedule({ startingDeadlineSeconds: 3600 }, created) });
  t.same(
    times(strict.made).map((each) => each.slice(8, 10)),
    ['16', '17', '21', '22'],
  );
  t.match(strict.skipped, [{ reason: 'MissedSchedule' }]);
});

t.test('an edit in mid-week starts anew and catches up no run', async (t) => {
  const from = at('2026-11-16T00:00:00Z');
  const edited = from + 3 * DAY + 12 * HOUR;
  const { made } = live({
    schedule: schedule({}, '2026-11-16T00:00:00Z'),
    from,
    until: from + 7 * DAY,
    edit: (s, now) =>
      now < edited
        ? s
        : {
            ...s,
            metadata: { ...s.metadata, generation: 2 },
            // Noon on each day: this day's noon is just over.
            spec: { ...s.spec, schedule: '0 12 * * *' },
          },
  });
  t.same(
    times(made).map((each) => each.slice(8, 13)),
    ['16T02', '17T02', '18T02', '19T02', '20T12', '21T12', '22T12'],
  );
});

t.test('a run that takes longer than its interval is never doubled', async (t) => {
  const from = at('2026-11-16T00:00:00Z');
  const { made, skipped } = live({
    schedule: schedule({ schedule: '@hourly' }, '2026-11-16T00:00:00Z'),
    from,
    until: from + 7 * DAY,
    takesMs: 90 * 60_000,
  });
  t.equal(new Set(made).size, made.length);
  t.equal(made.length, 84, 'every second hour');
  t.equal(skipped.length, 83);
  t.ok(skipped.every((s) => s.reason === 'OverlapSkipped'));
});

t.test('an interval counts from run to run, however often the schedule is looked at', async (t) => {
  const from = at('2026-11-16T00:00:00Z');
  const { made, status } = live({
    schedule: schedule({ schedule: '@every 7h' }, '2026-11-16T00:00:00Z'),
    from,
    until: from + DAY,
  });
  t.same(times(made), ['2026-11-16T07:00:00.000Z', '2026-11-16T14:00:00.000Z', '2026-11-16T21:00:00.000Z']);
  t.equal(status?.nextScheduleTime, '2026-11-17T04:00:00.000Z');
});

t.test('claims go with their schedule, unless their history is preserved', async (t) => {
  const created = '2026-11-16T00:00:00Z';
  const owned = buildClaim(schedule({}, created), 'nightly-1');
  t.match(owned.metadata.ownerReferences, [{ kind: 'RebalancePlanSchedule', uid: 'nightly-uid' }]);
  t.match(owned, { metadata: { labels: { team: 'a' } }, spec: { autoExecute: true } });
  const kept = buildClaim(schedule({ preserveHistory: true }, created), 'nightly-1');
  t.equal(kept.metadata.ownerReferences, undefined);
  t.equal(kept.metadata.labels?.['autoscaling.cast.ai/rebalance-plan-schedule'], 'nightly');
});
