import t from 'tap';
import { type NodeClaimToAdd, rebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { CAPACITY_RESERVATION_ID } from '../../../api/labels.ts';
import type { NodeClassObject } from '../../../api/objects.ts';
import { Offerings } from '../../cloud/offerings.ts';
import * as make from '../../testing/builders.ts';
import { attempts, BLUE, DELETE, describeStep, SAVINGS } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';
import { recordAttempt } from '../state/status.ts';
import { validatedSavings } from './savingscheck.ts';

/** Reservations at the act: one that filled up since the plan was made takes no order. */

const PENDING = (name: string) => ({ name, namespace: 'shop', srcNode: '', dstNodeClaimName: 'green' });

/** m5.large in reservation cr-1, then on demand where `others` says so. */
const planned = (name: string, others = true): NodeClaimToAdd => {
  const [onDemand] = make.toAdd(name, [['m5.large']]).alternatives ?? [];
  const requirements = onDemand?.requirements ?? [];
  const reserved = [
    ...requirements.filter(({ key }) => key !== 'karpenter.sh/capacity-type'),
    { key: 'karpenter.sh/capacity-type', operator: 'In' as const, values: ['reserved'] },
    { key: CAPACITY_RESERVATION_ID, operator: 'In' as const, values: ['cr-1'] },
  ];
  const without = { key: CAPACITY_RESERVATION_ID, operator: 'DoesNotExist' as const };
  const claim = make.toAdd(name, [['m5.large']]);
  return {
    ...claim,
    spec: { ...claim.spec, requirements: reserved },
    alternatives: [
      { requirements: reserved, priceHourly: '0' },
      ...(others ? [{ requirements: [...requirements, without], priceHourly: '0.1' }] : []),
    ],
  };
};

const nodeClass = (id = 'cr-1'): NodeClassObject => ({
  kind: 'EC2NodeClass',
  metadata: { name: 'default' },
  status: { capacityReservations: [{ id, state: 'active' }] },
});

const offeringsWith = (left: number, id?: string): Offerings => {
  const { catalogue } = make.offerings(make.PRICES);
  const pool = make.nodePool();
  const { kind, name } = pool.spec.template.spec.nodeClassRef;
  const instanceTypes = catalogue.instanceTypes.map((type) =>
    type.name !== 'm5.large'
      ? type
      : {
          ...type,
          offerings: [
            ...type.offerings,
            {
              zone: 'us-west-2a',
              capacityType: 'reserved' as const,
              price: 1e-8,
              available: left > 0,
              reservation: { id: 'cr-1', type: 'default' as const, interruptible: false, left },
            },
          ],
        },
  );
  const classes = [{ ...nodeClass(id), kind, metadata: { name } }];
  return new Offerings({ instanceTypes }, { nodes: [], nodePools: [pool], nodeClasses: classes });
};

const reservedOf = (step: ReturnType<typeof decide>['steps'][number]): string => {
  if (step.kind !== 'create-claim') return describeStep(step);
  const named = step.claim.spec.requirements.find(
    ({ key, operator }) => key === CAPACITY_RESERVATION_ID && operator === 'In',
  );
  return `${step.claim.metadata.name} ${named?.values?.join() ?? 'on demand'}`;
};

const ordersOf = (
  claims: readonly NodeClaimToAdd[],
  o: Partial<ExecutionState>,
  spec: object = DELETE,
): readonly string[] =>
  decide(
    make.executionState(make.plan({ ...spec, nodeClaimsToAdd: [...claims] }), { ...BLUE, ...o }),
  ).steps.map(reservedOf);

const FOR_PENDING = { podsToMigrate: [PENDING('p')] };

t.test('a reservation with a machine left is ordered from', async (t) => {
  t.same(ordersOf([planned('green')], { offerings: offeringsWith(1) }), ['green cr-1']);
});

t.test('two nodes are not ordered into one machine that is left', async (t) => {
  const two = [planned('green'), planned('other')];
  t.same(ordersOf(two, { offerings: offeringsWith(1) }), ['green cr-1', 'other on demand']);
  t.same(ordersOf(two, { offerings: offeringsWith(1) }, FOR_PENDING), ['green cr-1', 'other on demand']);
});

t.test(
  'a reservation that filled up meanwhile is passed over for what the plan may buy instead',
  async (t) => {
    t.same(ordersOf([planned('green')], { offerings: offeringsWith(0) }), ['green on demand']);
    const reservedUnderWay = new Map([['cr-1', 2]]);
    t.same(ordersOf([planned('green')], { offerings: offeringsWith(2), reservedUnderWay }), [
      'green on demand',
    ]);
    t.same(ordersOf([planned('green')], { offerings: offeringsWith(3), reservedUnderWay }), ['green cr-1']);
  },
);

t.test('one that the NodeClass does not list any more is not ordered from', async (t) => {
  t.same(ordersOf([planned('green')], { offerings: offeringsWith(5, 'cr-2') }), ['green on demand']);
});

t.test('a plan that may buy nothing else fails, and says that the reservation is full', async (t) => {
  for (const spec of [DELETE, FOR_PENDING]) {
    const plan = make.plan({ ...spec, nodeClaimsToAdd: [planned('green', false)] });
    const [step] = decide(make.executionState(plan, { ...BLUE, offerings: offeringsWith(0) })).steps;
    t.match(step, {
      kind: 'fail',
      failureReason: 'FailureReasonNodeCreateFailed',
      message: /^Capacity reservation cr-1 has no machine left for planned node green/,
    });
  }
});

t.test('while nobody knows what is left, nothing is ordered from a reservation', async (t) => {
  t.same(ordersOf([planned('green')], { offerings: undefined }, FOR_PENDING), [
    'wait-in-phase WaitingForPrices',
  ]);
});

const OF_RESERVATION = { capacityType: 'reserved' } as const;
const schema = rebalancePlan.shape.status.unwrap();

t.test('what a reserved machine costs is written as the schema has it', async (t) => {
  const offerings = offeringsWith(1);
  const spec = { ...DELETE, nodeClaimsToAdd: [planned('green')] };
  const [step] = decide(make.executionState(make.plan(spec), { ...BLUE, offerings })).steps;
  if (step?.kind !== 'create-claim') throw new Error(`${step?.kind} instead of an order`);
  const ordered = recordAttempt(step.attempt, 'InProgress', '', make.NOW)(make.plan().status ?? {});
  t.equal(schema.safeParse(ordered).error, undefined);

  const status = { savings: SAVINGS, ...attempts({ ...OF_RESERVATION, status: 'Success' }) };
  const savings = validatedSavings(
    make.executionState(make.plan(spec, status), { ...BLUE, offerings }),
    offerings,
  );
  t.equal(schema.safeParse({ ...status, validatedSavings: savings }).error, undefined);
  t.equal(Number(savings?.greenNodes?.[0]?.priceHourly), 1e-8);
});

t.test('a reserved machine that the cloud refuses is known to be unavailable', async (t) => {
  const offerings = offeringsWith(1);
  const spec = { ...DELETE, nodeClaimsToAdd: [planned('green')] };
  const [step] = decide(make.executionState(make.plan(spec), { ...BLUE, offerings })).steps;
  if (step?.kind !== 'create-claim') throw new Error(`${step?.kind} instead of an order`);
  const { priceCapHourly } = step.attempt;
  const plan = make.plan(
    spec,
    attempts({ ...OF_RESERVATION, alternative: 0, ...(priceCapHourly !== undefined && { priceCapHourly }) }),
  );
  const claimFailures = new Map([['green', 'InsufficientCapacityError: no capacity']]);
  const next = decide(make.executionState(plan, { ...BLUE, offerings, claimFailures })).steps;
  t.match(
    next.find(({ kind }) => kind === 'attempt-failed'),
    {
      offerings: [
        {
          instanceType: 'm5.large',
          zone: 'us-west-2a',
          capacityType: 'reserved',
          capacityReservationId: 'cr-1',
        },
      ],
    },
  );
});
