import t from 'tap';
import type { ClaimState, RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import type {
  RebalancePlanSchedule,
  RebalancePlanScheduleStatus,
} from '../../api/kinds/rebalanceplanschedule.ts';
import { afterRefusal, decideSchedule, whileDisabled } from './decide.ts';

const at = (text: string): number => Date.parse(text);
const CREATED = '2026-11-16T00:00:30.000Z';

const schedule = (
  spec: Partial<RebalancePlanSchedule['spec']> = {},
  status?: RebalancePlanScheduleStatus,
  generation = 1,
): RebalancePlanSchedule => ({
  metadata: { name: 'nightly', uid: 's', generation, creationTimestamp: CREATED },
  spec: {
    schedule: '0 2 * * *',
    rebalancePlanClaimTemplate: { spec: { autoExecute: true } },
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 3,
    preserveHistory: false,
    ...spec,
  },
  ...(status && { status }),
});

const claim = (name: string, state: ClaimState, created: string): RebalancePlanClaim => ({
  metadata: { name, uid: name, creationTimestamp: created },
  spec: { autoExecute: true },
  status: { state, ...(state === 'Completed' && { completionTime: created }) },
});

const kinds = (decision: ReturnType<typeof decideSchedule>): string[] =>
  decision.steps.map((s) => ('name' in s ? `${s.kind} ${s.name}` : `${s.kind} ${s.reason}`));

t.test('a due run creates a claim named by its time', async (t) => {
  const made = decideSchedule(schedule(), [], at('2026-11-16T02:00:01Z'));
  t.same(kinds(made), ['create-claim nightly-1794794400']);
  t.equal(made.status.lastScheduleTime, '2026-11-16T02:00:00.000Z');
  t.equal(made.status.nextScheduleTime, '2026-11-17T02:00:00.000Z');
});

t.test('before its first time nothing happens', async (t) => {
  const made = decideSchedule(schedule(), [], at('2026-11-16T01:59:59Z'));
  t.same(kinds(made), []);
  t.equal(made.next, at('2026-11-16T02:00:00Z'));
  t.equal(made.status.lastScheduleTime, undefined);
});

t.test('after a long sleep only the latest run is caught up', async (t) => {
  const made = decideSchedule(schedule(), [], at('2026-11-20T12:00:00Z'));
  t.same(kinds(made), ['create-claim nightly-1795140000']);
});

t.test('a run too late for its deadline is skipped', async (t) => {
  const made = decideSchedule(schedule({ startingDeadlineSeconds: 60 }), [], at('2026-11-16T02:02:00Z'));
  t.same(kinds(made), ['skip-run MissedSchedule']);
  t.equal(made.status.lastScheduleTime, '2026-11-16T02:00:00.000Z');
});

t.test('a run while the previous one is active is skipped', async (t) => {
  const busy = [claim('nightly-1', 'Executing', CREATED)];
  t.same(kinds(decideSchedule(schedule(), busy, at('2026-11-16T02:00:01Z'))), ['skip-run OverlapSkipped']);
});

const runStarted = (status: RebalancePlanScheduleStatus | undefined) =>
  status?.conditions?.find(({ type }) => type === 'RunStarted');

t.test('the status says whether the last run made its claim, and why not', async (t) => {
  const made = decideSchedule(schedule(), [], at('2026-11-16T02:00:01Z')).status;
  t.match(runStarted(made), { status: 'True', reason: 'ClaimCreated' });
  const later = schedule({}, { ...made, observedGeneration: 1 });
  t.same(runStarted(decideSchedule(later, [], at('2026-11-16T03:00:00Z')).status), runStarted(made));
  const busy = [claim('nightly-1', 'Executing', CREATED)];
  const skipped = decideSchedule(later, busy, at('2026-11-17T02:00:01Z')).status;
  t.match(runStarted(skipped), {
    status: 'False',
    reason: 'OverlapSkipped',
    message: 'Skipped the run of 2026-11-17T02:00:00.000Z: RebalancePlanClaim nightly-1 has not finished',
  });
});

t.test('a run whose claim is refused for good is over, one that is forbidden stays due', async (t) => {
  const now = at('2026-11-16T02:00:01Z');
  const decision = decideSchedule(schedule(), [], now);
  const step = { name: 'nightly-1794794400', at: at('2026-11-16T02:00:00Z') };
  const refused = (isForbidden: boolean) =>
    afterRefusal(schedule(), decision, step, { message: 'it is too big', isForbidden }, now).status;
  t.equal(refused(false).lastScheduleTime, '2026-11-16T02:00:00.000Z');
  t.match(runStarted(refused(false)), {
    status: 'False',
    reason: 'ClaimRefused',
    message:
      'The run of 2026-11-16T02:00:00.000Z made no RebalancePlanClaim nightly-1794794400, because it is too big; change spec.rebalancePlanClaimTemplate before the next run',
  });
  t.equal(refused(true).lastScheduleTime, undefined);
  t.match(runStarted(refused(true)), { message: /; it is tried again every minute$/ });
  t.same(kinds(decideSchedule(schedule({}, refused(true)), [], now + 60_000)), [
    'create-claim nightly-1794794400',
  ]);
});

t.test('a run that is due while the rebalancer is disabled says what it waits for', async (t) => {
  const now = at('2026-11-16T02:00:01Z');
  const status = whileDisabled(schedule(), decideSchedule(schedule(), [], now), now);
  t.match(runStarted(status), {
    status: 'False',
    reason: 'RebalancerDisabled',
    message: /REBALANCER_ENABLED/,
  });
  t.equal(status?.lastScheduleTime, undefined);
  const early = decideSchedule(schedule(), [], at('2026-11-16T01:00:01Z'));
  t.equal(whileDisabled(schedule(), early, now), undefined);
});

t.test('a claim created by an earlier process does not overlap with itself', async (t) => {
  const own = [claim('nightly-1794794400', 'Pending', '2026-11-16T02:00:00Z')];
  const made = decideSchedule(schedule(), own, at('2026-11-16T02:00:01Z'));
  t.same(kinds(made), ['create-claim nightly-1794794400']);
});

t.test('a suspended schedule does nothing, and resumed does not catch up', async (t) => {
  const now = at('2026-11-20T12:00:00Z');
  t.same(kinds(decideSchedule(schedule({ suspend: true }), [], now)), []);
  const resumed = schedule({}, { observedGeneration: 1, lastScheduleTime: CREATED }, 2);
  t.same(kinds(decideSchedule(resumed, [], now)), []);
});

t.test('an edit resets lastScheduleTime to now', async (t) => {
  const now = at('2026-11-20T12:00:00Z');
  const edited = decideSchedule(
    schedule({}, { observedGeneration: 1, lastScheduleTime: CREATED }, 2),
    [],
    now,
  );
  t.equal(edited.status.lastScheduleTime, '2026-11-20T12:00:00.000Z');
  t.equal(edited.status.observedGeneration, 2);
});

t.test('history keeps the newest of each kind', async (t) => {
  const days = [1, 2, 3, 4, 5].map((d) => `2026-11-1${d}T00:00:00Z`);
  const claims = [
    ...days.map((d, i) => claim(`ok-${i + 1}`, 'Completed', d)),
    ...days.map((d, i) => claim(`bad-${i + 1}`, 'Failed', d)),
  ];
  const made = decideSchedule(schedule({ failedJobsHistoryLimit: 1 }), claims, at('2026-11-16T00:01:00Z'));
  t.same(kinds(made), [
    'delete-claim ok-2',
    'delete-claim ok-1',
    'delete-claim bad-4',
    'delete-claim bad-3',
    'delete-claim bad-2',
    'delete-claim bad-1',
  ]);
  t.equal(made.status.lastSuccessfulTime, '2026-11-15T00:00:00Z');
});

t.test('an invalid expression is reported in a condition', async (t) => {
  const made = decideSchedule(schedule({ schedule: '61 * * * *' }), [], at(CREATED));
  t.equal(made.status.conditions?.[0]?.status, 'False');
  t.match(made.status.conditions?.[0]?.message, /'61' is not a minute/);
  t.equal(made.next, undefined);
});

t.test('a week of virtual time: each run once, none while one is under way, two of each kept', async (t) => {
  let status: RebalancePlanScheduleStatus | undefined;
  let claims: RebalancePlanClaim[] = [];
  const made: string[] = [];
  const spec = { schedule: '0 */6 * * *', successfulJobsHistoryLimit: 2 };
  const start = at(CREATED);
  for (let now = start; now < start + 7 * 86_400_000; ) {
    const decision = decideSchedule(schedule(spec, status), claims, now);
    for (const step of decision.steps) {
      if (step.kind === 'create-claim') {
        made.push(step.name);
        claims.push(claim(step.name, 'Executing', new Date(now).toISOString()));
      }
      if (step.kind === 'delete-claim') claims = claims.filter((c) => c.metadata.name !== step.name);
    }
    status = decision.status;
    // A run takes seven hours: every second one overlaps.
    claims = claims.map((c) =>
      now - at(c.metadata.creationTimestamp ?? '') > 7 * 3_600_000
        ? { ...c, status: { state: 'Completed' as const } }
        : c,
    );
    const next = decision.next ?? now;
    now = Math.min(next, now + 3_600_000);
  }
  t.equal(new Set(made).size, made.length, 'no run twice');
  t.equal(made.length, 14, 'every second of 28 runs');
  t.ok(claims.filter((c) => c.status?.state === 'Completed').length <= 3);
});
