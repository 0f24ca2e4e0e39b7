import fc from 'fast-check';
import t from 'tap';
import { CAPACITY_RESERVATION_ID } from '../api/labels.ts';
import type { NodeClaim, NodeClassObject, NodePool } from '../api/objects.ts';
import { requirementsOfEach } from '../api/plans.ts';
import type { CapacityReservation, Catalogue } from './model/catalogue.ts';
import type { Snapshot } from './model/snapshot.ts';
import { verifyPlan } from './plan/verify.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './testing/builders.ts';
import { machines, provisionFor, rebalanceOf } from './testing/smallworld.ts';

/** Capacity reservations as offerings of their own: seed 003, "AWS EC2 instance inventory". */

const ZONE = 'us-west-2a';
const RESERVED = 0.0000001;

/** The catalogue with reservations of m5.xlarge in us-west-2a, of so many machines each. */
const reserving = (
  left: Readonly<Record<string, number>>,
  o: Partial<CapacityReservation> = {},
): Catalogue => ({
  instanceTypes: machines.instanceTypes.map((type) => ({
    ...type,
    offerings: [
      ...type.offerings,
      ...(type.name !== 'm5.xlarge'
        ? []
        : Object.entries(left).map(([id, count]) => ({
            zone: ZONE,
            capacityType: 'reserved' as const,
            price: 0.192 * RESERVED,
            available: count > 0,
            reservation: { id, type: 'default' as const, interruptible: false, left: count, ...o },
          }))),
    ],
  })),
});

const pool = (capacityTypes: readonly string[] = ['on-demand', 'reserved']): NodePool =>
  makePool('default', {
    requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: [...capacityTypes] }],
  });

const nodeClass = (ids: readonly string[], state = 'active'): NodeClassObject => ({
  kind: 'EC2NodeClass',
  metadata: { name: 'default' },
  status: { capacityReservations: ids.map((id) => ({ id, state })) },
});

const worldOf = (ids: readonly string[], rest: Partial<Snapshot> = {}): Partial<Snapshot> => ({
  nodePools: [pool()],
  nodeClasses: [nodeClass(ids)],
  ...rest,
});

/** One pod fills an m5.xlarge. */
const pending = (count: number) => Array.from({ length: count }, (_, n) => makePod(`p${n}`, { cpu: 3_500 }));

/** Per added claim, the reservation that its first choice names, if any. */
const reservationsOf = ({ plan }: ReturnType<typeof provisionFor>): (string | undefined)[] =>
  (plan?.spec.nodeClaimsToAdd ?? []).map(
    ({ spec }) => spec.requirements.find(({ key }) => key === CAPACITY_RESERVATION_ID)?.values?.[0],
  );

t.test(
  'a reservation is bought before anything else, and no further than it has machines left',
  async (t) => {
    const found = provisionFor(makeSnapshot([], pending(3), worldOf(['cr-1'])), reserving({ 'cr-1': 2 }));
    t.same(reservationsOf(found).sort(), ['cr-1', 'cr-1', undefined]);
    const first = found.plan?.spec.nodeClaimsToAdd?.find(({ spec }) =>
      spec.requirements.some(({ key }) => key === CAPACITY_RESERVATION_ID),
    );
    const required = new Map(first?.spec.requirements.map(({ key, values }) => [key, values]));
    t.same(required.get('node.kubernetes.io/instance-type'), ['m5.xlarge']);
    t.same(required.get('topology.kubernetes.io/zone'), [ZONE]);
    t.same(required.get('karpenter.sh/capacity-type'), ['reserved']);
  },
);

t.test('a claim of a reservation has none in its further attempts, nor has one of none', async (t) => {
  const found = provisionFor(makeSnapshot([], pending(3), worldOf(['cr-1'])), reserving({ 'cr-1': 2 }));
  for (const claim of found.plan?.spec.nodeClaimsToAdd ?? []) {
    const attempts = requirementsOfEach(claim);
    t.ok(attempts.length > 1);
    for (const requirements of attempts.slice(1)) {
      t.match(
        requirements.find(({ key }) => key === 'karpenter.sh/capacity-type'),
        { values: ['on-demand'] },
      );
    }
  }
});

t.test('two reservations of one type are used one after the other', async (t) => {
  const catalogue = reserving({ 'cr-1': 1, 'cr-2': 1 });
  const found = provisionFor(makeSnapshot([], pending(3), worldOf(['cr-1', 'cr-2'])), catalogue);
  t.same(reservationsOf(found).sort(), ['cr-1', 'cr-2', undefined]);
});

const UNUSED: Readonly<Record<string, readonly [Catalogue, Partial<Snapshot>]>> = {
  'that its NodeClass does not list': [reserving({ 'cr-1': 5 }), worldOf(['cr-2'])],
  'whose NodeClass was not read': [reserving({ 'cr-1': 5 }), { nodePools: [pool()] }],
  'that is full': [reserving({ 'cr-1': 0 }), worldOf(['cr-1'])],
  'that comes to its end': [
    reserving({ 'cr-1': 5 }, { type: 'capacity-block' }),
    worldOf([], { nodeClasses: [nodeClass(['cr-1'], 'expiring')] }),
  ],
  'where the NodePool buys on demand alone': [
    reserving({ 'cr-1': 5 }),
    worldOf(['cr-1'], { nodePools: [pool(['on-demand'])] }),
  ],
};
for (const [what, [catalogue, world]] of Object.entries(UNUSED)) {
  t.test(`nothing is bought in a reservation ${what}`, async (t) => {
    t.same(reservationsOf(provisionFor(makeSnapshot([], pending(1), world), catalogue)), [undefined]);
  });
}

const underWay = (name: string, launched: boolean): NodeClaim => {
  const { claim } = makeNode(name);
  return {
    ...claim,
    metadata: {
      ...claim.metadata,
      labels: { ...claim.metadata.labels, ...(launched && { [CAPACITY_RESERVATION_ID]: 'cr-1' }) },
    },
    spec: {
      ...claim.spec,
      requirements: launched ? [] : [{ key: CAPACITY_RESERVATION_ID, operator: 'In', values: ['cr-1'] }],
    },
    status: {},
  };
};

t.test('machines under way take their place in a reservation, launched or not', async (t) => {
  const world = worldOf(['cr-1'], { nodeClaims: [underWay('x', false), underWay('y', true)] });
  const found = provisionFor(makeSnapshot([], pending(2), world), reserving({ 'cr-1': 3 }));
  t.same(reservationsOf(found).filter(Boolean), ['cr-1']);
});

t.test(
  'a machine that was launched about when its reservation was read is not yet counted in it',
  async (t) => {
    const readAt = Date.parse('2026-11-30T12:00:00.900Z');
    const launched = (time: string): NodeClaim => ({
      ...underWay('y', true),
      status: {
        providerID: 'aws:///us-west-2a/i-y',
        conditions: [{ type: 'Launched', status: 'True', lastTransitionTime: time }],
      },
    });
    for (const [time, bought] of [
      ['2026-11-30T12:00:00Z', [undefined]],
      ['2026-11-30T11:59:50Z', ['cr-1']],
    ] as const) {
      const world = worldOf(['cr-1'], { nodeClaims: [launched(time)] });
      const found = provisionFor(makeSnapshot([], pending(1), world), reserving({ 'cr-1': 1 }, { readAt }));
      t.same(reservationsOf(found), bought, time);
    }
  },
);

t.test('a NodePool of one reservation buys in no other, and on demand not at all', async (t) => {
  const only: NodePool = makePool('default', {
    requirements: [{ key: CAPACITY_RESERVATION_ID, operator: 'In', values: ['cr-2'] }],
  });
  const world = worldOf(['cr-1', 'cr-2'], { nodePools: [only] });
  const found = provisionFor(makeSnapshot([], pending(2), world), reserving({ 'cr-1': 5, 'cr-2': 1 }));
  t.same(reservationsOf(found), ['cr-2']);
  t.equal(found.unplaced.length, 1);
});

t.test('pods that select a reservation go into it', async (t) => {
  const pod = makePod('p', { spec: { nodeSelector: { [CAPACITY_RESERVATION_ID]: 'cr-2' } } });
  const catalogue = reserving({ 'cr-1': 5, 'cr-2': 5 });
  t.same(reservationsOf(provisionFor(makeSnapshot([], [pod], worldOf(['cr-1', 'cr-2'])), catalogue)), [
    'cr-2',
  ]);
});

t.test('on-demand nodes move into a free reservation, and what is reserved stays', async (t) => {
  const nodes = [makeNode('a'), makeNode('b', { capacityType: 'reserved' })];
  const pods = ['a', 'b'].map((node) => makePod(`p-${node}`, { node, cpu: 3_000 }));
  const { plan } = rebalanceOf(makeSnapshot(nodes, pods, worldOf(['cr-1'])), {}, reserving({ 'cr-1': 1 }));
  t.same(plan?.spec.nodeClaimsToDelete, [{ nodeClaimName: 'claim-a' }]);
  t.same(
    plan?.spec.nodeClaimsToAdd?.map(({ spec }) => spec.requirements.at(-1)),
    [{ key: CAPACITY_RESERVATION_ID, operator: 'In', values: ['cr-1'] }],
  );
});

t.test(
  'a plan is refused that asks a reservation for more than is left, or does not count for it',
  async (t) => {
    const snapshot = makeSnapshot([], pending(2), worldOf(['cr-1']));
    const { plan } = provisionFor(snapshot, reserving({ 'cr-1': 2 }));
    if (!plan) throw new Error('there is no plan');
    const rules = (spec: typeof plan.spec, left: number): string[] =>
      verifyPlan(snapshot, reserving({ 'cr-1': left }), spec).map(({ rule }) => rule);
    t.same(rules(plan.spec, 2), []);
    t.same(rules(plan.spec, 1), ['ReservedCapacity']);
    const [one, ...others] = plan.spec.nodeClaimsToAdd ?? [];
    const open = [
      { key: 'karpenter.sh/capacity-type', operator: 'In' as const, values: ['reserved', 'on-demand'] },
    ];
    const loose = (one?.spec.requirements ?? []).filter(
      ({ key }) => key !== CAPACITY_RESERVATION_ID && key !== 'karpenter.sh/capacity-type',
    );
    const requirements = [...loose, ...open];
    const wide = one && {
      ...one,
      spec: { ...one.spec, requirements },
      alternatives: [{ requirements, priceHourly: '0' }],
    };
    t.same(rules({ ...plan.spec, nodeClaimsToAdd: wide ? [wide, ...others] : [] }, 5), ['ReservedCapacity']);
  },
);

t.test('whatever is left of reservations, and whatever waits, no plan goes past their count', async () => {
  const counts = fc.array(fc.nat(4), { minLength: 1, maxLength: 3 });
  const sizes = fc.array(fc.constantFrom(300, 900, 1_900, 3_500), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(counts, sizes, fc.boolean(), (left, cpus, isRebalance) => {
      const ids = left.map((_, n) => `cr-${n}`);
      const catalogue = reserving(Object.fromEntries(left.map((count, n) => [`cr-${n}`, count])));
      const nodes = isRebalance ? cpus.map((_, n) => makeNode(`n${n}`)) : [];
      const pods = cpus.map((cpu, n) => makePod(`p${n}`, { cpu, ...(isRebalance && { node: `n${n}` }) }));
      const snapshot = makeSnapshot(nodes, pods, worldOf(ids));
      // Both throw where the check refuses a plan.
      const { plan } = isRebalance ? rebalanceOf(snapshot, {}, catalogue) : provisionFor(snapshot, catalogue);
      const used = (plan?.spec.nodeClaimsToAdd ?? []).flatMap(
        ({ spec }) => spec.requirements.find(({ key }) => key === CAPACITY_RESERVATION_ID)?.values ?? [],
      );
      return ids.every((id, n) => used.filter((each) => each === id).length <= (left[n] ?? 0));
    }),
    { numRuns: 60, seed: 1 },
  );
});

t.test('no percentage is told of a bound that reservations bring down to nothing', async (t) => {
  const nodes = ['a', 'b', 'c'].map((name) =>
    makeNode(name, { type: 'm5.4xlarge', cpu: 15_900, memory: 60_000 }),
  );
  const pods = ['a', 'b', 'c'].map((node) => makePod(`on-${node}`, { node, cpu: 3_500 }));
  const found = rebalanceOf(makeSnapshot(nodes, pods, worldOf(['cr-1'])), {}, reserving({ 'cr-1': 1 }));
  t.equal(found.plan?.savings.lowerBoundMonthlyCost, '0.00');
  t.ok(Number(found.plan?.savings.projectedMonthlyCost) > 0, 'one machine is not enough');
  t.equal(found.plan?.savings.gapPercent, undefined);
});

t.test('fault: a reserved node that must go was replaced on demand at no price', async (t) => {
  const pods = [makePod('p', { node: 'a', cpu: 3_500 })];
  const snapshot = (left: number) =>
    [
      makeSnapshot(
        [makeNode('a', { type: 'm5.xlarge', zone: ZONE, capacityType: 'reserved' })],
        pods,
        worldOf(['cr-1']),
      ),
      reserving({ 'cr-1': left }),
    ] as const;
  const replaced = (left: number, maxPricePercent?: number) => {
    const mustGo = { a: { reason: 'Expiry' as const, ...(maxPricePercent && { maxPricePercent }) } };
    const [cluster, catalogue] = snapshot(left);
    const { plan, reason } = rebalanceOf(cluster, { mustGo }, catalogue);
    const faults = plan ? verifyPlan(cluster, catalogue, plan.spec, mustGo) : [];
    const percent = plan?.savings.projectedSavingsPercent;
    return {
      percent,
      by: plan?.savings.greenNodes?.map(({ priceHourly }) => Number(priceHourly)),
      faults,
      reason,
    };
  };
  t.equal(replaced(0).by?.length, 1, 'its reservation is full');
  t.ok((replaced(0).by?.[0] ?? 1) <= 0.192 * 1.2);
  t.same(replaced(0).faults, []);
  t.equal(replaced(0).percent, '0.0', 'no percentage tells of what cost nothing');
  t.ok((replaced(1).by?.[0] ?? 1) < 1e-6, 'there is room in its reservation');
  t.equal(replaced(0, 50).by, undefined, 'half of what it costs outside of its reservation buys nothing');
  t.match(replaced(0, 50).reason, /at most 50 % of what it costs outside of its reservation/);
});
