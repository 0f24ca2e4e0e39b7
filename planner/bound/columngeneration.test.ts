import fc from 'fast-check';
import t from 'tap';
import { floatAt, intAt, itemAt } from '../packing/matrix.ts';
import { Packing } from '../packing/packing.ts';
import type { Problem } from '../packing/problem.ts';
import { fillOptionsFor } from '../search/filloptions.ts';
import { openAndFill } from '../search/greedy.ts';
import { randomProblem } from '../testing/randomproblem.ts';
import { ColumnGeneration } from './columngeneration.ts';
import { distinctNodeKinds, type NodeKind, PricingProblem, perNodeLimits } from './pricingproblem.ts';
import { unitPrices } from './shadowprices.ts';

const never = (): boolean => false;

const nodeKindsOf = (problem: Problem): NodeKind[] =>
  problem.options.map((option) => ({ ...option, option }));

/** A problem without existing nodes, and the pods that some node can hold. */
const placeable = (seed: number, pods: number): { problem: Problem; demand: Int32Array } => {
  const problem = randomProblem(seed, 0, pods, { spread: true, selectors: true });
  const packing = new Packing(problem);
  const left = Int32Array.from(problem.pending);
  openAndFill(packing, left, fillOptionsFor(problem, problem.pending));
  return { problem, demand: problem.pending.map((n, podClass) => n - intAt(left, podClass)) };
};

t.test('the bound is never above what nodes were found for, and patterns fit their nodes', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 20 }), (seed, pods) => {
      const { problem, demand } = placeable(seed, pods);
      if (demand.every((n) => n === 0)) return;
      const packing = new Packing(problem);
      openAndFill(packing, Int32Array.from(demand), fillOptionsFor(problem, demand));
      const program = new ColumnGeneration(
        problem,
        nodeKindsOf(problem),
        demand,
        unitPrices(problem, demand),
      );
      const { use, duals } = program.solve(never);
      const bound = program.bound(duals, [], 20_000);
      if (bound > packing.cost() + 1e-6) throw new Error(`bound ${bound}, cost ${packing.cost()}`);
      for (const [{ option, rows, values }] of use) {
        const load = new Float64Array(problem.dimensions.length);
        rows.forEach((row, k) => {
          const podClass = itemAt(program.podClasses, row);
          if (!problem.allowed.has(option.nodeClass, podClass)) throw new Error('a pod is not allowed there');
          problem.sizes.row(podClass).forEach((size, d) => {
            load[d] = floatAt(load, d) + size * floatAt(values, k);
          });
        });
        if (load.some((used, d) => used > floatAt(option.room, d))) throw new Error('a pattern does not fit');
      }
    }),
    { numRuns: process.env.SOAK ? 2000 : 60, seed: 1 },
  );
});

t.test('after another demand was set, the bound is one for that demand', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 5, max: 20 }), (seed, pods) => {
      const { problem, demand } = placeable(seed, pods);
      if (demand.every((n) => n === 0)) return;
      const prices = unitPrices(problem, demand);
      const program = new ColumnGeneration(problem, nodeKindsOf(problem), demand, prices);
      const bounds = [demand, demand.map((n) => Math.ceil(n / 2)), demand.map(() => 0)].map((wanted) => {
        program.setDemand(wanted);
        const bound = program.bound(program.solve(never).duals, [], 20_000);
        const packing = new Packing(problem);
        openAndFill(packing, Int32Array.from(wanted), fillOptionsFor(problem, demand));
        if (bound > packing.cost() + 1e-6) throw new Error(`bound ${bound}, cost ${packing.cost()}`);
        return bound;
      });
      const [all, , none] = bounds;
      if (!all || none !== 0) throw new Error(`pods cost something, no pods nothing: ${bounds}`);
    }),
    { numRuns: 60, seed: 2 },
  );
});

t.test('pods that must be apart are limited to one per node, spread over hosts to their skew', async (t) => {
  const key = 'kubernetes.io/hostname';
  const tally = { key, counted: Uint8Array.of(1, 1, 0, 1), eligible: undefined };
  const spread = { kind: 'spread' as const, tally: 0, maxSkew: 3, self: 1 as const, minDomains: 1 };
  const problem = {
    podClasses: [{}, {}, {}, {}],
    rules: { tallies: [tally], ofPodClass: [[{ kind: 'none', tally: 0 }], [spread], [spread], []] },
  } as unknown as Problem;
  const [apart, skewed, other, free] = perNodeLimits(problem);
  t.equal(apart, 1);
  t.equal(skewed, 3);
  t.equal(other, free, 'a rule that does not count the class itself is no limit');
  t.ok(Number(free) > 1e6);
});

t.test('zones that nothing depends on are priced once', async (t) => {
  const problem = randomProblem(5, 0, 10);
  const nodeKinds = nodeKindsOf(problem);
  const distinct = distinctNodeKinds(problem, [...nodeKinds, ...nodeKinds]);
  t.ok(distinct.length <= nodeKinds.length);
  t.ok(distinct.every((nodeKind) => nodeKinds.includes(nodeKind)));
});

t.test('a room is worth at least as much as what fits into it', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), (seed) => {
      const problem = randomProblem(seed, 0, 15);
      const prices = unitPrices(problem, problem.pending);
      const pricing = new PricingProblem(problem, nodeKindsOf(problem), problem.pending, prices);
      pricing.items.worth.forEach((_, index) => {
        pricing.items.worth[index] = 1 + ((seed + index) % 5);
      });
      for (const { nodeKind, filling } of pricing.fillAll(10_000)) {
        const most = pricing.maxWorthOf([nodeKind.room]);
        if (most < filling.value - 1e-6) throw new Error(`${most} is below ${filling.value}`);
      }
    }),
    { numRuns: 40, seed: 3 },
  );
});
