import fc from 'fast-check';
import t from 'tap';
import { isObjectName } from '../api/identity/names.ts';
import type { RebalancePlanClaim } from '../api/kinds/rebalanceplanclaim.ts';
import type { RebalancePlanSchedule } from '../api/kinds/rebalanceplanschedule.ts';
import type { UnavailableOfferingSpec } from '../api/kinds/unavailableoffering.ts';
import { PLAN } from '../api/labels.ts';
import { reservationOf } from '../api/reservation.ts';
import { claimName } from '../planner/plan/planspec.ts';
import { nodeIntentId, pinIntentId } from './pinning/intentids.ts';
import { attemptName, buildNodeClaim } from './rebalanceplan/create/nodeclaim.ts';
import { unavailableName } from './rebalanceplan/create/unavailable.ts';
import { migrationPlanName } from './rebalanceplan/drain/livemigration.ts';
import { buildPlan, planNameFor } from './rebalanceplanclaim/planobject.ts';
import { buildClaim } from './rebalanceplanschedule/controller.ts';
import { decideSchedule } from './rebalanceplanschedule/decide.ts';
import { ownerEntry } from './softpins/steering.ts';
import * as make from './testing/builders.ts';

/** Names of all objects that are derived from others, for names of 1, 63 and 253 characters. */

const LABEL_VALUE = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const isName = (name: string, longest = 253): boolean => name.length <= longest && isObjectName(name);
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

/** Texts of outside: names as the API server takes them, and what nobody checks, such as the uid of an owner. */
const subdomain = fc
  .array(fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,70}[a-z0-9])?$/), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('.').slice(0, 253))
  .filter((name) => isObjectName(name));
const namespaced = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('', '__proto__', 'constructor', '../..', 'a/b', 'a.b', 'a","b', '\u0000'),
);

/** Two lists of parts that differ, often in nothing but where the first part ends. */
const twoOf = (...parts: readonly fc.Arbitrary<string>[]) => {
  const one = fc.tuple(...parts);
  const shifted = fc.tuple(one, fc.constantFrom('-', '.', '/', '')).map(([list, between]) => {
    const [first = '', second = '', ...rest] = list;
    const moved = second.slice(0, 1);
    return [
      [first, `${moved}${between}${second}`, ...rest],
      [`${first}${between}${moved}`, second, ...rest],
    ] as const;
  });
  return fc
    .oneof(fc.tuple(one, one), shifted)
    .filter(([a, b]) => JSON.stringify(a) !== JSON.stringify(b)) as fc.Arbitrary<
    readonly [readonly string[], readonly string[]]
  >;
};

t.test(
  'ids of intents are label values, and no two intents share one, whatever an owner calls itself',
  async () => {
    const idOf = ([plan = '', destination = '', namespace = '', uid = '']: readonly string[]): string =>
      pinIntentId(plan, destination, namespace, uid);
    fc.assert(
      fc.property(twoOf(subdomain, subdomain, namespaced, anyText), ([a, b]) => {
        const ids = [idOf(a), idOf(b), nodeIntentId(a[0] ?? '', a[1] ?? '')];
        return areLabels(Object.fromEntries(ids.entries())) && new Set(ids).size === 3;
      }),
      { seed: 7 },
    );
  },
);

t.test('owners of soft pins stay apart, in every namespace and whatever their uid', async () => {
  const entryOf = ([namespace = '', uid = '']: readonly string[]): string => ownerEntry(namespace, uid);
  fc.assert(
    fc.property(twoOf(namespaced, anyText), ([a, b]) => {
      // A shifted namespace may be none.
      const areNamespaces = [a, b].every(([namespace = '']) => !namespace.includes('.'));
      return !areNamespaces || entryOf(a) !== entryOf(b);
    }),
    { seed: 7 },
  );
});

t.test('reservations of planned NodeClaims are label values, and each has its own', async () => {
  fc.assert(
    fc.property(subdomain, subdomain, (a, b) => {
      const [one = '', two = ''] = [a, b].map((name) => reservationOf(name).value);
      return areLabels({ one, two }) && (a === b) === (one === two);
    }),
    { seed: 7 },
  );
});

const TYPES = ['m5.large', 'm5.xlarge', 'u-6tb1.metal', 'm7g.metal', 'm7g.metal-48xl', 'mac2-m2.metal'];
const ZONES = ['us-west-2a', 'us-west-2-lax-1a', 'eu-central-1b', 'cn-north-1a'];
const ZONE_IDS = ['usw2-az1', 'usw2-lax1-az1', 'euc1-az2'];

t.test('each offering of a cloud has a record of its own, with a valid name', async (t) => {
  const places = [...ZONES.map((zone) => ({ zone })), ...ZONE_IDS.map((zoneId) => ({ zoneId })), {}];
  const specs = TYPES.flatMap((instanceType) =>
    places.flatMap((place) =>
      (['spot', 'on-demand', 'reserved'] as const).flatMap((capacityType) =>
        [{}, { capacityReservationId: 'cr-0123' }].map((reservation) => ({
          instanceType,
          capacityType,
          ...place,
          ...reservation,
        })),
      ),
    ),
  ) as unknown as readonly UnavailableOfferingSpec[];
  const names = specs.map(unavailableName);
  for (const name of names) t.ok(isName(name), name);
  t.equal(new Set(names).size, specs.length);
});

t.test('an offering with a strange name has a record with a valid name, and none shares it', async () => {
  const named = ([instanceType = '', zone = '']: readonly string[]): string =>
    unavailableName({ instanceType, zone, capacityType: 'spot', reason: 'x', expiresAt: 'x' } as never);
  const strange = anyText.map((text) => `${text}\u0000`);
  fc.assert(
    fc.property(twoOf(strange, strange), ([a, b]) => {
      return isName(named(a)) && isName(named(b)) && named(a) !== named(b);
    }),
    { seed: 7 },
  );
});
