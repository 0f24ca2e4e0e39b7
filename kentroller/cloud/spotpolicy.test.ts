import t from 'tap';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import { policiesNow } from '../policies/settings.ts';
import { withSpotPolicy } from './spotpolicy.ts';

const NOW = Date.parse('2026-01-02T00:00:00Z');
const HOUR = 3_600_000;
const AT = { nodes: [], now: NOW };
const both = {
  instanceTypes: machines.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.flatMap((each) => [each, { ...each, capacityType: 'spot' as const }]),
  })),
};
const policy = (spotInstances: object) => {
  const now = policiesNow(
    { object: undefined, absence: undefined, hasSynced: true },
    { policies: { enabled: true, spotInstances: { enabled: true, ...spotInstances } } },
  );
  return now.known ? now.policies.spotInstances : undefined;
};
const record = (
  o: Partial<UnavailableOffering['spec']> & { readonly attempts?: number; readonly endedMs?: number } = {},
): UnavailableOffering => {
  const { attempts = 1, endedMs = HOUR, ...spec } = o;
  return {
    metadata: { name: 'u' },
    spec: {
      instanceType: 'm5.large',
      zone: 'us-west-2a',
      capacityType: 'spot',
      reason: 'SpotInterruptionObserved',
      expiresAt: new Date(NOW - endedMs).toISOString(),
      ...spec,
    },
    status: { attempts },
  };
};
const markedBy = (
  records: readonly UnavailableOffering[],
  settings: object,
  scarce: readonly string[] = [],
): readonly string[] =>
  withSpotPolicy(both, policy(settings), records, { ...AT, scarce: new Set(scarce) }).instanceTypes.flatMap(
    ({ name, offerings }) =>
      offerings.flatMap((each) => (each.isLessReliable ? [`${name}/${each.zone}/${each.capacityType}`] : [])),
  );
const LEAST = { interruptionTolerance: 'leastInterrupted' };

t.test('least interrupted: what was taken back or refused lately is marked', async (t) => {
  t.same(markedBy([record()], LEAST), ['m5.large/us-west-2a/spot']);
  t.same(markedBy([record({ reason: 'InsufficientCapacityError' })], LEAST), ['m5.large/us-west-2a/spot']);
  t.same(markedBy([record({ endedMs: -HOUR })], LEAST), ['m5.large/us-west-2a/spot'], 'as long as it lasts');
  t.same(markedBy([record()], { maxReclaimRate: 10 }), ['m5.large/us-west-2a/spot'], 'its other name');
  t.same(markedBy([record({ capacityType: 'on-demand' })], LEAST), []);
});

t.test('it is forgotten with time, the later the more there was of it', async (t) => {
  t.same(markedBy([record({ endedMs: 3 * HOUR })], LEAST), []);
  t.same(markedBy([record({ endedMs: 3 * HOUR, attempts: 3 })], LEAST), ['m5.large/us-west-2a/spot']);
});

t.test(
  'least interrupted: spot of a family that is scarce in a zone is marked, and on-demand is not',
  async (t) => {
    const zoned = markedBy([], LEAST, ['m5/us-west-2a']);
    t.ok(zoned.length > 0);
    t.ok(
      zoned.every((each) => /^m5\.\w+\/us-west-2a\/spot$/.test(each)),
      zoned.join(),
    );
    const both = markedBy([record({ zone: 'us-west-2b' })], LEAST, ['m5/us-west-2a']);
    t.same(both.toSorted(), [...zoned, 'm5.large/us-west-2b/spot'].toSorted(), 'beside what was taken back');
    t.same(markedBy([], { interruptionTolerance: 'costEfficient' }, ['m5/us-west-2a']), []);
    t.same(markedBy([], LEAST, ['m5a/us-west-2a', 'm/us-west-2a']), [], 'of another family');
  },
);

t.test('cost efficient, or with the policy off, nothing is marked', async (t) => {
  t.same(markedBy([record()], { interruptionTolerance: 'costEfficient' }), []);
  t.same(markedBy([record()], { ...LEAST, enabled: false }), []);
});

t.test('diversity goes with the catalogue, with its limit', async (t) => {
  const percentOf = (settings: object): number | undefined =>
    withSpotPolicy(both, policy(settings), [], { ...AT, scarce: new Set() }).spotDiversityPercent;
  t.equal(percentOf({}), undefined);
  t.equal(percentOf({ spotDiversityEnabled: true }), 20);
  t.equal(percentOf({ spotDiversityEnabled: true, spotDiversityPriceIncreaseLimitPercent: 5 }), 5);
});
