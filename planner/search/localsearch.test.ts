import fc from 'fast-check';
import t from 'tap';
import { intAt } from '../packing/matrix.ts';
import { Packing } from '../packing/packing.ts';
import { randomProblem } from '../testing/randomproblem.ts';
import type { Effort } from './effort.ts';
import { fillOptionsFor } from './filloptions.ts';
import { improve } from './localsearch.ts';
import { reduceMoves } from './reducemoves.ts';
import { replacePrefix } from './replaceprefix.ts';

const SPICE = { spread: true, affinity: true, ports: true, limits: true };

const effort: Effort = { seed: 3, rounds: 80, isOver: () => false, movePrice: 0.0001, targetCost: 0 };

const candidatesOf = ({ problem }: Packing): number[] =>
  problem.existingNodes.flatMap(({ isCandidate }, node) => (isCandidate ? [node] : []));

const podsIn = (packing: Packing): number[] => {
  const pods = new Array<number>(packing.problem.podClasses.length).fill(0);
  for (const content of packing.content) {
    for (const [podClass, n] of content) pods[podClass] = (pods[podClass] ?? 0) + n;
  }
  return pods;
};

const objectiveOf = (packing: Packing): number => packing.cost() + packing.original.moved * effort.movePrice;

/** Throws unless the same pods are placed, by the rules and within limits. */
const checkPods = (packing: Packing, pods: readonly number[]): void => {
  const now = podsIn(packing);
  if (now.join() !== pods.join()) throw new Error(`pods ${now}, not ${pods}`);
  if (!packing.satisfiesAllRules()) throw new Error('a rule is broken');
  if (!packing.limits.areKept()) throw new Error('a NodePool exceeds its limits');
};

t.test('no step loses a pod or makes the answer dearer than before', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 2, max: 6 }), fc.nat(30), (seed, nodes, pods) => {
      const packing = new Packing(randomProblem(seed, nodes, pods, SPICE));
      if (!packing.satisfiesAllRules()) return;
      const { problem } = packing;
      const held = podsIn(packing);
      const candidates = candidatesOf(packing);
      const o = fillOptionsFor(problem, packing.demand(new Int32Array(problem.podClasses.length)));
      const before = packing.cost();
      const values = [objectiveOf(packing)];
      const steps = [
        () => replacePrefix(packing, candidates, o, effort),
        () => improve(packing, candidates, o, effort),
      ];
      for (const step of steps) {
        step();
        checkPods(packing, held);
        values.push(objectiveOf(packing));
        if ((values.at(-1) ?? 0) > (values.at(-2) ?? 0) + 1e-9) throw new Error(`dearer: ${values}`);
      }
      const { moved } = packing.original;
      const cost = packing.cost();
      reduceMoves(packing, candidates, o, { isOver: () => false, rounds: 20, before });
      checkPods(packing, held);
      if (packing.original.moved > moved) throw new Error('more pods move than before');
      if (packing.cost() > cost * 1.005 + 1e-9) throw new Error('half a percent dearer and more');
    }),
    { numRuns: process.env.SOAK ? 1500 : 60, seed: 1 },
  );
});

t.test('the same seed gives the same answer', async (t) => {
  const answer = (seed: number): unknown => {
    const packing = new Packing(randomProblem(21, 6, 40, { spread: true }));
    const demand = packing.demand(packing.problem.pending);
    improve(packing, candidatesOf(packing), fillOptionsFor(packing.problem, demand), { ...effort, seed });
    return [
      packing.cost(),
      Array.from({ length: packing.nodes }, (_, node) => [
        packing.open[node],
        intAt(packing.nodeClass, node),
        [...(packing.content[node] ?? [])],
      ]),
    ];
  };
  t.same(answer(5), answer(5));
  t.notSame(answer(5), answer(6), 'another seed goes another way');
});

t.test('the search ends at its target cost, and when its time is over', async (t) => {
  const run = (change: Partial<Effort>): number => {
    const packing = new Packing(randomProblem(8, 5, 30));
    const demand = packing.demand(packing.problem.pending);
    const o = fillOptionsFor(packing.problem, demand);
    improve(packing, candidatesOf(packing), o, { ...effort, ...change });
    return packing.cost();
  };
  const before = run({ rounds: 0 });
  t.ok(run({}) < before);
  t.equal(run({ targetCost: before }), before);
  t.equal(run({ isOver: () => true }), before);
});
