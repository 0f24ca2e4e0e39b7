import t from 'tap';
import type { CreationAttempt, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import * as make from '../../testing/builders.ts';
import { ADD, attempts, SAVINGS } from '../../testing/decisions.ts';
import { validatedSavings } from './savingscheck.ts';

const FIRST: Partial<CreationAttempt> = { status: 'Success' };
const FALLBACK: readonly Partial<CreationAttempt>[] = [
  { status: 'Failed' },
  { status: 'Success', instanceType: 'c5.large' },
];
const at = (price: number | undefined): Offerings =>
  make.offerings(
    price === undefined
      ? {}
      : { 'm5.large/us-west-2a/on-demand': price, 'c5.large/us-west-2a/on-demand': price },
  );
const savingsOf = (plan: RebalancePlan, offerings: Offerings) =>
  validatedSavings(make.executionState(plan), offerings);

// The removed nodes cost 146 USD a month, of 730 hours.
const CASES: readonly (readonly [
  string,
  readonly Partial<CreationAttempt>[],
  number | undefined,
  string,
  string,
])[] = [
  ["the cloud's price counts for the first attempt", [FIRST], 0.05, '36.50', '75.0'],
  ['a higher price lowers the savings', [FIRST], 0.15, '109.50', '25.0'],
  ['without a price the planned one counts', [FIRST], undefined, '73.00', '50.0'],
  ['the planned price counts for a later attempt', FALLBACK, 0.05, '73.00', '50.0'],
  [
    'the planned price counts for another instance type',
    [{ ...FIRST, instanceType: 'c5.large' }],
    0.05,
    '73.00',
    '50.0',
  ],
];

for (const [name, list, price, monthly, percent] of CASES) {
  t.test(name, async (t) => {
    const plan = make.plan(ADD, { savings: SAVINGS, ...attempts(...list) });
    t.match(savingsOf(plan, at(price)), {
      projectedMonthlyCost: monthly,
      projectedSavingsPercent: percent,
    });
  });
}

t.test('a plan without savings has none to check', async (t) => {
  t.equal(savingsOf(make.plan(ADD), at(0.05)), undefined);
});

t.test("the cluster's cost falls by what the plan saves", async (t) => {
  const savings = { ...SAVINGS, currentClusterMonthlyCost: '1000' };
  const plan = make.plan(ADD, { savings, ...attempts(FIRST) });
  t.equal(savingsOf(plan, at(0.05))?.projectedClusterMonthlyCost, '890.50');
});
