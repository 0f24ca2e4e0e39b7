import fc from 'fast-check';
import t from 'tap';
import { byteAt, floatAt, intAt, itemAt } from '../packing/matrix.ts';
import { Packing } from '../packing/packing.ts';
import { randomProblem } from '../testing/randomproblem.ts';
import { fillOptionsFor } from './filloptions.ts';
import { fillOpen, openAndFill } from './greedy.ts';
import { openTargets } from './rebuild.ts';
import { rightsize } from './rightsize.ts';

const SPICE = { spread: true, affinity: true, selectors: true, limits: true, daemons: true };

/** Movable pods of a packing, per pod class. */
const placedIn = (packing: Packing): Int32Array => {
  const placed = new Int32Array(packing.problem.podClasses.length);
  for (const content of packing.content) {
    for (const [podClass, n] of content) placed[podClass] = intAt(placed, podClass) + n;
  }
  return placed;
};

/** Throws where a pod is missing or doubled, or where a node to buy holds what it can't. */
const check = (packing: Packing, before: Int32Array, left: Int32Array): void => {
  const { problem } = packing;
  placedIn(packing).forEach((n, podClass) => {
    const all = intAt(before, podClass) + intAt(problem.pending, podClass);
    if (n + intAt(left, podClass) !== all) throw new Error(`${n} of ${all} pods of class ${podClass}`);
  });
  for (let node = packing.existingCount; node < packing.nodes; node += 1) {
    if (byteAt(packing.open, node) === 0) continue;
    if (packing.roomOf(node).some((free) => free < 0)) throw new Error(`node ${node} is too full`);
    for (const [podClass] of itemAt(packing.content, node)) {
      if (!problem.allowed.has(intAt(packing.nodeClass, node), podClass)) throw new Error('not allowed');
    }
  }
};

t.test('no pod is lost or doubled, and none is where it does not fit', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.nat(4), fc.integer({ min: 1, max: 30 }), (seed, nodes, pods) => {
      const problem = randomProblem(seed, nodes, pods, SPICE);
      const packing = new Packing(problem);
      const before = placedIn(packing);
      const left = Int32Array.from(problem.pending);
      const o = fillOptionsFor(problem, problem.pending);
      fillOpen(packing, left, openTargets(packing), o);
      check(packing, before, left);
      const isWhole = openAndFill(packing, left, o);
      check(packing, before, left);
      if (isWhole !== left.every((n) => n === 0)) throw new Error('it says that all are placed, or that not');
      const cost = packing.cost();
      rightsize(packing);
      check(packing, before, left);
      if (packing.cost() > cost + 1e-9) throw new Error('rightsizing made it dearer');
      if (!packing.limits.areKept()) throw new Error('a NodePool exceeds its limits');
    }),
    { numRuns: process.env.SOAK ? 3000 : 100, seed: 1 },
  );
});

t.test('pods that are left over fit no node that may be bought', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 20 }), (seed, pods) => {
      const problem = randomProblem(seed, 0, pods, { selectors: true });
      const packing = new Packing(problem);
      const left = Int32Array.from(problem.pending);
      openAndFill(packing, left, fillOptionsFor(problem, problem.pending));
      left.forEach((n, podClass) => {
        const size = problem.sizes.row(podClass);
        const option = problem.options.find(
          ({ nodeClass, room }) =>
            problem.allowed.has(nodeClass, podClass) && room.every((free, d) => free >= floatAt(size, d)),
        );
        if (n > 0 && option) throw new Error(`class ${podClass} fits ${option.launchOption.type.name}`);
      });
    }),
    { numRuns: 100, seed: 2 },
  );
});

t.test('open nodes are filled in the order given, before any is bought', async (t) => {
  const problem = randomProblem(11, 0, 12);
  const packing = new Packing(problem);
  const option = problem.options.reduce((a, b) => (floatAt(b.room, 0) > floatAt(a.room, 0) ? b : a));
  const [first, second] = [packing.buy(option), packing.buy(option)];
  const left = Int32Array.from(problem.pending);
  fillOpen(packing, left, [second, first], fillOptionsFor(problem, problem.pending));
  t.ok(itemAt(packing.content, second).size > 0);
  t.equal(packing.nodes, 2);
});
