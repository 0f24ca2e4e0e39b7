import t from 'tap';
import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { ZONE } from '../../../api/labels.ts';
import type { Requirement } from '../../../api/objects.ts';
import { shiftedZonesOf } from '../../../planner/model/offers/zonalshift.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, DELETE, describeStep } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';
import { awayFrom } from './openalternatives.ts';

/** Zonal shifts at the act: a zone that was shifted away since the plan was made takes no order. */

const SHIFTED = [{ zone: 'us-west-2a', zoneId: 'usw2-az1', until: Date.parse('2026-11-22T14:00:00Z') }];
const PENDING = { name: 'p', namespace: 'shop', srcNode: '', dstNodeClaimName: 'green' };
/** For savings, for which prices count, and for a pending pod, for which none does. */
const PLANS = [DELETE, { podsToMigrate: [PENDING] }];
const BOTH = make.offerings({ ...make.PRICES, 'm5.large/us-west-2b/on-demand': 0.1 });

/** m5.large in these zones; without any, wherever its NodePool lets it. */
const planned = (...zones: readonly string[]): NodeClaimToAdd => {
  const claim = make.toAdd('green', [['m5.large']]);
  const [{ requirements = [] } = {}] = claim.alternatives ?? [];
  const others = requirements.filter(({ key }) => key !== ZONE);
  const values = zones.length > 0 ? [{ key: ZONE, operator: 'In' as const, values: [...zones] }] : [];
  return { ...claim, alternatives: [{ requirements: [...others, ...values], priceHourly: '0.1' }] };
};

const zonesOrdered = (
  claim: NodeClaimToAdd,
  spec: object,
  o: Partial<ExecutionState> = {},
): readonly string[] => {
  const plan = make.plan({ ...spec, nodeClaimsToAdd: [claim] });
  const state = make.executionState(plan, { ...BLUE, offerings: BOTH, shiftedZones: SHIFTED, ...o });
  return decide(state).steps.map((step) =>
    step.kind === 'create-claim'
      ? `${step.claim.spec.requirements
          .filter(({ key }) => key === ZONE)
          .map(({ operator, values }) => `${operator} ${values}`)
          .join(', ')}, recorded as ${step.attempt.zone}`
      : describeStep(step),
  );
};

t.test('an order is cut to the zones that are left', async (t) => {
  for (const spec of PLANS) {
    t.same(zonesOrdered(planned('us-west-2a', 'us-west-2b'), spec), [
      'In us-west-2b, recorded as us-west-2b',
    ]);
    t.same(zonesOrdered(planned('us-west-2a', 'us-west-2b'), spec, { shiftedZones: [] }), [
      'In us-west-2a,us-west-2b, recorded as us-west-2a',
    ]);
  }
});

t.test('an order without zones says where it must not go', async (t) => {
  const blind = { offerings: undefined };
  t.match(zonesOrdered(planned(), PLANS[1] as object, blind), [/^NotIn us-west-2a/]);
  t.match(zonesOrdered(planned(), PLANS[1] as object), [/NotIn us-west-2a|In us-west-2b/]);
});

t.test(
  'a plan that may buy nowhere else fails before anything moves, and says which zone it is',
  async (t) => {
    for (const spec of PLANS)
      for (const offerings of [BOTH, undefined]) {
        if (offerings === undefined && spec === DELETE) continue;
        const plan = make.plan({ ...spec, nodeClaimsToAdd: [planned('us-west-2a')] });
        const state = make.executionState(plan, { ...BLUE, offerings, shiftedZones: SHIFTED });
        t.match(decide(state).steps[0], {
          kind: 'fail',
          failureReason: 'FailureReasonNodeCreateFailed',
          message:
            "Planned node green can't be ordered now, as zone us-west-2a (usw2-az1) is shifted away until 2026-11-22T14:00:00Z: make a new plan, which buys in other zones.",
        });
      }
  },
);

t.test('fewer zones than minValues asks for is none', async (t) => {
  const requirements: Requirement[] = [
    { key: ZONE, operator: 'In', values: ['us-west-2a', 'us-west-2b'], minValues: 2 },
  ];
  const where = { instanceType: 'm5.large', capacityType: 'on-demand', zone: 'us-west-2a' };
  const alternative = { index: 0, requirements, ...where };
  t.equal(awayFrom(alternative, SHIFTED), undefined);
  t.equal(awayFrom(alternative, []), alternative);
});

t.test('the zones of a shift are those that carry its id, if the cluster knows any', async (t) => {
  const ids = new Map([
    ['us-west-2a', 'usw2-az1'],
    ['us-west-2b', 'usw2-az2'],
  ]);
  t.same(shiftedZonesOf([{ zoneId: 'usw2-az2', until: 7 }], ids), [
    { zone: 'us-west-2b', zoneId: 'usw2-az2', until: 7 },
  ]);
  t.same(shiftedZonesOf([{ zoneId: 'usw2-az9' }], ids), []);
});
