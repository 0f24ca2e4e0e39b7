import t from 'tap';
import { rebalance } from '../../../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../../planner/testing/builders.ts';
import { smallCatalogue } from '../../../planner/testing/randomcluster.ts';
import { unitsOfSize, withOwnedCommitments } from './count.ts';
import type { OwnedCommitments, ReservedInstances, SavingsPlan } from './owned.ts';

/** What commitments of an account mean to a catalogue. */

const reserved = (instanceType: string, count: number, zone?: string): ReservedInstances => ({
  id: `${instanceType}-${zone ?? ''}`,
  instanceType,
  count,
  hourly: 0.05,
  ...(zone && { zone }),
});
const plan = (hourly: number, rates: Readonly<Record<string, number>>, family?: string): SavingsPlan => ({
  id: `sp-${hourly}`,
  hourly,
  rates: new Map(Object.entries(rates)),
  ...(family && { family }),
});

const ZONES = ['a', 'b'];
const TYPES = ['m5.large', 'm5.2xlarge', 'g5.xlarge', 'g5.2xlarge', 'c5.large', 'm5.metal'];
const catalogue = {
  instanceTypes: TYPES.map((name) => ({
    name,
    arch: 'amd64',
    os: ['linux'],
    labels: {},
    capacity: { cpu: 2000, memory: 2 ** 33, pods: 29, ephemeralStorage: 0, other: {} },
    overhead: { cpu: 0, memory: 0, pods: 0, ephemeralStorage: 0, other: {} },
    offerings: ZONES.flatMap((zone) =>
      (['on-demand', 'spot'] as const).map((capacityType) => ({
        zone,
        capacityType,
        price: capacityType === 'spot' ? 0.03 : 0.1,
        available: true,
      })),
    ),
  })),
};

/** Covered offerings as 'type zone uses of amount'. */
const coversOf = (owned: Partial<OwnedCommitments>, share = 1): readonly string[] => {
  const { commitments = [], instanceTypes } = withOwnedCommitments(
    catalogue,
    { savingsPlans: [], reserved: [], ...owned },
    share,
  );
  return instanceTypes.flatMap(({ name, offerings }) =>
    offerings.flatMap(({ zone, capacityType, covered }) =>
      covered
        ? [`${name} ${zone} ${capacityType} ${covered.uses} of ${commitments[covered.commitment]?.amount}`]
        : [],
    ),
  );
};

t.test('normalised units of sizes are those of AWS', async (t) => {
  t.same(
    ['nano', 'micro', 'small', 'medium', 'large', 'xlarge', '2xlarge', '9xlarge', '32xlarge', 'metal'].map(
      unitsOfSize,
    ),
    [0.25, 0.5, 1, 2, 4, 8, 16, 72, 256, undefined],
  );
});

t.test(
  'Reserved Instances of a region cover other sizes of their family, on demand, in every zone',
  async (t) => {
    t.same(coversOf({ reserved: [reserved('m5.large', 3), reserved('m5.xlarge', 1)] }), [
      'm5.large a on-demand 4 of 20',
      'm5.large b on-demand 4 of 20',
      'm5.2xlarge a on-demand 16 of 20',
      'm5.2xlarge b on-demand 16 of 20',
    ]);
  },
);

t.test(
  'Reserved Instances of a zone, of GPU families and of bare metal cover their size alone',
  async (t) => {
    t.same(coversOf({ reserved: [reserved('m5.large', 3, 'b')] }), ['m5.large b on-demand 1 of 3']);
    t.same(coversOf({ reserved: [reserved('g5.xlarge', 2)] }), [
      'g5.xlarge a on-demand 1 of 2',
      'g5.xlarge b on-demand 1 of 2',
    ]);
    t.same(coversOf({ reserved: [reserved('m5.metal', 1)] }), [
      'm5.metal a on-demand 1 of 1',
      'm5.metal b on-demand 1 of 1',
    ]);
  },
);

t.test('Savings Plans cover what they have a rate for; of one kind they count as one', async (t) => {
  const savingsPlans = [plan(1, { 'm5.large': 0.06, 'c5.large': 0.05 }), plan(3, { 'm5.large': 0.07 })];
  t.same(
    coversOf({ savingsPlans }).filter((line) => line.includes(' a ')),
    [`m5.large a on-demand ${(0.06 + 3 * 0.07) / 4} of 4`, 'c5.large a on-demand 0.05 of 4'],
  );
});

t.test(
  'of two that cover an offering the one counts that saves more there; a share counts in part',
  async (t) => {
    const savingsPlans = [plan(10, { 'm5.large': 0.06 })];
    const few = [reserved('m5.large', 1)];
    t.match(coversOf({ savingsPlans, reserved: few })[0], /^m5\.large a on-demand 0\.06 of 10$/);
    t.match(coversOf({ savingsPlans, reserved: [reserved('m5.large', 1000)] })[0], /4 of 4000$/);
    t.match(coversOf({ savingsPlans }, 0.25)[0], /0\.06 of 2\.5$/);
    t.same(coversOf({ savingsPlans }, 0), []);
  },
);

t.test('machines that are paid for anyway stay, those beyond the commitment go', async (t) => {
  const names = ['a', 'b', 'c', 'd'];
  const nodes = names.map((name) => makeNode(name));
  const pods = names.map((node) => makePod(`p-${node}`, { cpu: 1500, memory: 5000, node }));
  const ask = (hourly: number) =>
    rebalance({
      snapshot: makeSnapshot(nodes, pods),
      catalogue: withOwnedCommitments(
        smallCatalogue,
        { savingsPlans: [plan(hourly, { 'm5.xlarge': 0.12 })], reserved: [] },
        1,
      ),
      now: Date.parse('2026-06-01T12:00:00Z'),
      seed: 1,
      planName: 'p',
      rounds: 100,
    }).plan;
  t.equal(ask(0.48), null, 'all four are committed to');
  t.equal(ask(0.24)?.savings.blueNodes?.length, 2, 'two of four go');
});
