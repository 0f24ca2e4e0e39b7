import t from 'tap';
import type { RebalancePlanClaim } from '../api/kinds/rebalanceplanclaim.ts';
import type { RebalancePlanSchedule } from '../api/kinds/rebalanceplanschedule.ts';
import { PLAN } from '../api/labels.ts';
import { claimName } from '../planner/plan/planspec.ts';
import { attemptName, buildNodeClaim } from './rebalanceplan/create/nodeclaim.ts';
import { migrationPlanName } from './rebalanceplan/drain/livemigration.ts';
import { buildPlan, planNameFor } from './rebalanceplanclaim/planobject.ts';
import { buildClaim } from './rebalanceplanschedule/controller.ts';
import { decideSchedule } from './rebalanceplanschedule/decide.ts';
import * as make from './testing/builders.ts';

/** Names of all objects that are derived from others, for names of 1, 63 and 253 characters. */

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_VALUE = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const isName = (name: string, longest = 253): boolean => name.length <= longest && SUBDOMAIN.test(name);
const areLabels = (labels: Readonly<Record<string, string>> = {}): boolean =>
  Object.values(labels).every((value) => value.length <= 63 && LABEL_VALUE.test(value));

const NAMES = [1, 62, 63, 64, 253].map((length) => `${'nightly-'.repeat(32).slice(0, length - 1)}x`);
const NIGHTS = [0, 1, 2].map((night) => Date.parse('2026-11-22T03:00:00Z') + night * 86_400_000);

const scheduleNamed = (name: string, uid = 'schedule-uid'): RebalancePlanSchedule => ({
  metadata: { name, uid, creationTimestamp: '2026-11-01T00:00:00Z' },
  spec: {
    schedule: '0 3 * * *',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 3,
    preserveHistory: false,
    rebalancePlanClaimTemplate: { spec: { autoExecute: true } },
  },
});

const uidOf = (n: number): string => `${n}${n}aa${n}f3b-1111-2222-3333-444455556666`;

const claimOfNight = (schedule: RebalancePlanSchedule, at: number, n: number): RebalancePlanClaim => {
  const [step] = decideSchedule(schedule, [], at + 1000).steps;
  if (step?.kind !== 'create-claim') throw new Error('the schedule is not due');
  const claim = buildClaim(schedule, step.name);
  return { ...claim, metadata: { ...claim.metadata, uid: uidOf(n) } };
};

for (const name of NAMES) {
  t.test(`objects derived from a name of ${name.length} characters have valid names`, async (t) => {
    const claim = claimOfNight(scheduleNamed(name), NIGHTS[0] ?? 0, 1);
    t.ok(isName(claim.metadata.name), claim.metadata.name);
    t.ok(areLabels(claim.metadata.labels), 'labels of a claim');
    const plan = buildPlan(claim, { execute: true });
    t.ok(isName(plan.metadata.name), plan.metadata.name);
    t.ok(areLabels(plan.metadata.labels), 'labels of a plan');
    for (const planName of [name, plan.metadata.name]) {
      const planned = claimName(planName, 1234);
      const names = [1, 2, 12].map((attempt) => attemptName(planned, attempt));
      for (const each of names) t.ok(isName(each, 63), each);
      t.equal(new Set(names).size, 3, 'each attempt has its own name');
      t.match(names[2], /-1234-attempt-12$/);
      const migration = migrationPlanName(planName, planned);
      t.ok(isName(migration), migration);
      const nodeClaim = buildNodeClaim({
        plan: { metadata: { name: planName, uid: 'uid' }, spec: { execute: true } },
        planned: make.toAdd(planned),
        alternative: {
          index: 0,
          requirements: [],
          instanceType: 'm5.large',
          capacityType: 'spot',
          zone: 'a',
        },
        name: planned,
        pool: make.nodePool(),
      });
      t.ok(areLabels(nodeClaim.metadata.labels), 'labels of a NodeClaim');
      t.ok(nodeClaim.metadata.labels?.[PLAN], 'the label tells its plan');
    }
  });

  t.test(
    `each night makes NodeClaims of its own for a schedule with ${name.length} characters`,
    async (t) => {
      const schedule = scheduleNamed(name);
      const claims = NIGHTS.map((at, n) => claimOfNight(schedule, at, n));
      t.equal(new Set(claims.map((c) => c.metadata.name)).size, 3, 'claims');
      const plans = claims.map((claim) => planNameFor(claim));
      t.equal(new Set(plans).size, 3, 'plans');
      t.equal(new Set(plans.map((plan) => claimName(plan, 1))).size, 3, 'NodeClaims');
    },
  );

  t.test(`a claim of ${name.length} characters made again gets other NodeClaims`, async (t) => {
    const again = [1, 2].map((n) =>
      planNameFor({ metadata: { name, uid: uidOf(n) }, spec: { autoExecute: true } }),
    );
    const names = again.map((plan) => attemptName(claimName(plan, 1), 1));
    t.not(names[0], names[1]);
    for (const [n, each] of names.entries()) t.match(each, new RegExp(uidOf(n + 1).slice(0, 8)));
  });

  t.test(`planned NodeClaims that differ after ${name.length} characters stay two`, async (t) => {
    const [one, two] = [`${name}1`, `${name}2`].map((planned) => attemptName(planned, 1));
    t.not(one, two);
  });
}
