import fc from 'fast-check';
import t from 'tap';
import { randomFrom } from '../search/random.ts';
import { randomProblem } from '../testing/randomproblem.ts';
import { byteAt, intAt, itemAt } from './matrix.ts';
import { Packing } from './packing.ts';

const SPICE = { spread: true, affinity: true, ports: true, limits: true, daemons: true };

/** All that a caller can see of a packing, with closed bought nodes left out. */
const stateOf = (packing: Packing): unknown => {
  const nodes = Array.from({ length: packing.nodes }, (_, node) => node).filter(
    (node) => node < packing.existingCount || byteAt(packing.open, node) === 1,
  );
  const { podClasses } = packing.problem;
  return {
    nodes: nodes.map((node) => {
      const nodeClass = intAt(packing.nodeClass, node);
      return {
        node,
        isOpen: packing.open[node],
        free: [...packing.roomOf(node)],
        option: (packing.problem.options as readonly unknown[]).indexOf(packing.option[node]),
        content: [...itemAt(packing.content, node)].sort(([a], [b]) => a - b),
        allowed: podClasses.map((_, podClass) => packing.counts.satisfiesRules(podClass, node, nodeClass)),
        planned: podClasses.map((_, podClass) => packing.counts.allows(podClass, node, nodeClass)),
      };
    }),
    cost: packing.cost().toFixed(9),
    moved: packing.original.moved,
    canBuy: packing.problem.options.map((option) => packing.limits.canBuy(option)),
    isSound: packing.satisfiesAllRules(),
  };
};

/** One random change that the search could make. */
const change = (packing: Packing, random: () => number): void => {
  const { problem } = packing;
  const pick = (n: number): number => Math.floor(random() * n);
  const node = pick(packing.nodes);
  const kind = random();
  if (kind < 0.3 && problem.options.length > 0)
    packing.buy(itemAt(problem.options, pick(problem.options.length)));
  else if (kind < 0.7 && byteAt(packing.open, node) === 1 && problem.podClasses.length > 0)
    packing.putUpTo(pick(problem.podClasses.length), node, 1 + pick(4));
  else if (node >= packing.existingCount && byteAt(packing.open, node) === 1) {
    packing.empty(node);
    if (random() < 0.7) packing.sell(node);
  } else if (problem.existingNodes[node]?.isCandidate) {
    packing.empty(node);
    packing.setOpen(node, random() < 0.5);
  }
};

t.test('whatever changes follow a mark, undoing them gives the packing as it was', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.nat(4), fc.nat(25), (seed, nodes, pods) => {
      const packing = new Packing(randomProblem(seed, nodes, pods, SPICE));
      const random = randomFrom(seed);
      const states: string[] = [];
      const marks: number[] = [];
      for (let round = 0; round < 4; round += 1) {
        states.push(JSON.stringify(stateOf(packing)));
        marks.push(packing.undoLog.mark());
        for (let n = 0; n < 8; n += 1) change(packing, random);
      }
      for (let round = 3; round >= 0; round -= 1) {
        packing.undo(marks[round]);
        const now = JSON.stringify(stateOf(packing));
        if (now !== states[round]) throw new Error(`round ${round}: ${now}\nnot ${states[round]}`);
      }
    }),
    { numRuns: process.env.SOAK ? 3000 : 100, seed: 1 },
  );
});

t.test('pods that were put are missing from the room, and no node holds more than its room', async (t) => {
  const problem = randomProblem(7, 3, 20, { spread: true });
  const packing = new Packing(problem);
  const random = randomFrom(7);
  for (let n = 0; n < 200; n += 1) change(packing, random);
  for (let node = packing.existingCount; node < packing.nodes; node += 1) {
    const option = packing.option[node];
    if (!option) continue;
    const used = option.room.map(() => 0);
    for (const [podClass, n] of itemAt(packing.content, node)) {
      problem.sizes.row(podClass).forEach((size, d) => {
        used[d] = (used[d] ?? 0) + n * size;
      });
    }
    t.same(
      [...packing.roomOf(node)],
      [...option.room].map((room, d) => room - (used[d] ?? 0)),
    );
    t.ok(packing.roomOf(node).every((free) => free >= 0));
  }
});

t.test('a wrong index is an error, not a number', async (t) => {
  const packing = new Packing(randomProblem(3, 2, 10));
  const classes = packing.problem.podClasses.length;
  t.throws(() => packing.put(classes, 0, 1), RangeError);
  t.throws(() => packing.put(-1, 0, 1), RangeError);
  t.throws(() => packing.put(0, 10_000, 1), RangeError);
  t.throws(() => packing.roomFor(classes, 0), RangeError);
  t.throws(() => packing.sell(0), /was not bought/);
});
