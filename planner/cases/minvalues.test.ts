import fc from 'fast-check';
import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import {
  claimsOf,
  deletedBy,
  everyValue,
  type Priced,
  priceList,
  provisioned,
  rebalanced,
  ZONES,
} from '../testing/cases.ts';

/** Kind 12: a NodePool that asks for several types in each NodeClaim. */

const TYPE = 'node.kubernetes.io/instance-type';
const pool = (minValues: number): NodePool =>
  makePool('default', { requirements: [{ key: TYPE, operator: 'Exists', minValues }] });

const A = { name: 'a', cpu: 2, price: 0.1 };
const B = { name: 'b', cpu: 2, price: 0.15 };
const C = { name: 'c', cpu: 4, memory: '16Gi', price: 0.2 };
const D = { name: 'd', cpu: 16, memory: '64Gi', price: 0.8 };

/** Nodes of type c, each with a pod of 500m. */
const onC = (nodes: number, minValues: number) => {
  const names = Array.from({ length: nodes }, (_, n) => `n${n}`);
  return makeSnapshot(
    names.map((name) => makeNode(name, { type: 'c', cpu: 3900 })),
    names.map((name) => makePod(`p-${name}`, { node: name })),
    { nodePools: [pool(minValues)] },
  );
};

t.test('12: minValues bring no type as dear as the node that goes', async (t) => {
  t.same(deletedBy(rebalanced(onC(1, 2), priceList(A, C, D))), [], 'the second type is what stands');
  t.same(deletedBy(rebalanced(onC(1, 3), priceList(A, B, D))), [], 'the third costs more');
  const cheaper = rebalanced(onC(1, 2), priceList(A, B, C, D));
  t.same([deletedBy(cheaper).length, everyValue(cheaper, TYPE)], [1, ['a', 'b']]);
});

t.test('12: several nodes that go pay for the dearest type of one that comes', async (t) => {
  const two = makeSnapshot(
    ['n0', 'n1'].map((name) => makeNode(name, { type: 'd', cpu: 15_900 })),
    ['n0', 'n1'].map((name) => makePod(`p-${name}`, { node: name })),
    { nodePools: [pool(3)] },
  );
  const planned = rebalanced(two, priceList(A, B, C, D));
  t.equal(deletedBy(planned).length, 2);
  t.same(everyValue(planned, TYPE), ['a', 'b', 'c']);
  const { savings } = planned.plan ?? {};
  t.match(savings, { projectedMonthlyCost: '73.00', lowerBoundMonthlyCost: '73.00', gapPercent: '0.0' });
});

const CAPACITY = 'karpenter.sh/capacity-type';
const spot = (name: string, price: number): Priced => ({
  name,
  cpu: 2,
  price: price / 0.6,
  capacityTypes: ['spot'],
});
const S1 = spot('s1', 0.03);
const S2 = spot('s2', 0.036);
const ON_DEMAND = [0.1, 0.11, 0.115].map((price, n): Priced => ({ name: `o${n + 1}`, cpu: 2, price }));

t.test('12: cheap spot types that are too few do not keep on-demand ones away', async (t) => {
  const dear: Priced = { ...spot('s3', 1.8), cpu: 64, memory: '256Gi' };
  for (const spots of [[S1, S2, dear], [S1, S2], [S1]]) {
    const list = priceList(...spots, ...ON_DEMAND, { ...C, price: 0.3 });
    const planned = rebalanced(onC(1, 3), list);
    t.same(deletedBy(planned), ['claim-n0'], `${spots.length} spot types`);
    t.same(everyValue(planned, TYPE), ['o1', 'o2', 'o3']);
    t.same(everyValue(planned, CAPACITY), ['on-demand']);
    t.equal(planned.plan?.savings.projectedMonthlyCost, '73.00');
  }
});

t.test('12: pods that wait get on-demand types where spot ones are too few', async (t) => {
  const waits = makeSnapshot([], [makePod('p')], { nodePools: [pool(3)] });
  const planned = provisioned(waits, priceList(S1, S2, ...ON_DEMAND));
  t.same([planned.unplaced, everyValue(planned, TYPE)], [[], ['o1', 'o2', 'o3']]);
});

t.test('12: the zone of the cheapest type does not keep types of other zones away', async (t) => {
  const [a = '', b = ''] = ZONES;
  const ofA = [A, { ...D, name: 'd1' }, { ...D, name: 'd2' }].map((each) => ({ ...each, zones: [a] }));
  const ofB = ON_DEMAND.map((each) => ({ ...each, zones: [b] }));
  const list = priceList(...ofA, ...ofB, { ...C, price: 0.3 });
  const planned = rebalanced(onC(1, 3), list);
  t.same([deletedBy(planned), everyValue(planned, TYPE)], [['claim-n0'], ['a', 'o1', 'o2']]);
});

t.test('12: pods that wait may have to pay for what minValues ask', async (t) => {
  const waits = makeSnapshot([], [makePod('p')], { nodePools: [pool(3)] });
  t.same(everyValue(provisioned(waits, priceList(A, B, D)), TYPE), ['a', 'b', 'd']);
});

t.test('12: whatever is launched, a rebalancing costs less than before', async () => {
  const entry = fc.record({
    cpu: fc.constantFrom(2, 4, 8),
    price: fc.integer({ min: 5, max: 60 }),
  });
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 3, maxLength: 7 }),
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (entries, minValues, nodes) => {
        const priced = entries.map(
          ({ cpu, price }, n): Priced => ({ name: `t${n}`, cpu, memory: `${cpu * 4}Gi`, price: price / 100 }),
        );
        const list = priceList(...priced, C);
        const priceOf = new Map([...priced, C].map(({ name, price = 0 }) => [name, price]));
        const planned = rebalanced(onC(nodes, minValues), list);
        const { projectedMonthlyCost, lowerBoundMonthlyCost } = planned.plan?.savings ?? {};
        if (
          Number(lowerBoundMonthlyCost ?? 0) > Number(projectedMonthlyCost ?? 0) + 0.01 &&
          nodes === deletedBy(planned).length
        )
          throw new Error(`at least ${lowerBoundMonthlyCost}, but ${projectedMonthlyCost}`);
        const before = deletedBy(planned).length * C.price;
        const dearest = claimsOf(planned).map(({ spec, alternatives = [] }) =>
          Math.max(
            ...[spec.requirements, ...alternatives.map(({ requirements }) => requirements)].flatMap((each) =>
              each
                .filter(({ key }) => key === TYPE)
                .flatMap(({ values = [] }) => values.map((name) => priceOf.get(name) ?? Number.NaN)),
            ),
          ),
        );
        const after = dearest.reduce((sum, price) => sum + price, 0);
        if (after >= before && before > 0) throw new Error(`${after} for ${before}`);
      },
    ),
    { numRuns: 60, seed: 12 },
  );
});
