import fc from 'fast-check';
import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import { byteAt, intAt, itemAt } from '../packing/matrix.ts';
import { Packing } from '../packing/packing.ts';
import { fillOptionsFor } from '../search/filloptions.ts';
import { openAndFill } from '../search/greedy.ts';
import { improve } from '../search/localsearch.ts';
import { randomProblem } from '../testing/randomproblem.ts';
import { assignPods } from './assignment.ts';

t.test('every pod stays, moves or goes to a new node, once, as the packing counts them', async () => {
  fc.assert(
    fc.property(
      fc.nat(1e6),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ max: 30, min: 1 }),
      (seed, nodes, pods) => {
        const problem = randomProblem(seed, nodes, pods, { spread: true });
        const packing = new Packing(problem);
        const o = fillOptionsFor(problem, packing.demand(problem.pending));
        const left = Int32Array.from(problem.pending);
        openAndFill(packing, left, o);
        const candidates = problem.existingNodes.flatMap(({ isCandidate }, node) =>
          isCandidate ? [node] : [],
        );
        improve(packing, candidates, o, {
          seed,
          rounds: 30,
          isOver: () => false,
          movePrice: 0,
          targetCost: 0,
        });
        // As many pending pods of each class as were placed.
        const pending = problem.podClasses.flatMap((podClass, index) =>
          podClass.pods
            .filter((pod) => !pod.spec.nodeName)
            .slice(0, intAt(problem.pending, index) - intAt(left, index)),
        );
        const { removed, bought, moves } = assignPods(packing, pending);
        const named = new Set<Pod>([...moves.map(({ pod }) => pod), ...bought.flatMap((node) => node.pods)]);
        const count = moves.length + bought.reduce((sum, node) => sum + node.pods.length, 0);
        if (named.size !== count) throw new Error('a pod is named twice');
        if (!pending.every((pod) => named.has(pod))) throw new Error('a pending pod has no place');
        problem.existingNodes.forEach((existing, node) => {
          const isOpen = byteAt(packing.open, node) === 1;
          if (removed.includes(node) === isOpen)
            throw new Error(`node ${node} is open and removed, or neither`);
          const staying = [...existing.movable].filter((pod) => !named.has(pod)).length;
          const coming = moves.filter((move) => move.node === node).length;
          const held = [...itemAt(packing.content, node).values()].reduce((sum, n) => sum + n, 0);
          if (staying + coming !== held)
            throw new Error(`node ${node} has ${staying} + ${coming} of ${held}`);
        });
        for (const { content, pods: own } of bought) {
          for (const [podClass, n] of content) {
            const found = own.filter((pod) => itemAt(problem.podClasses, podClass).pods.includes(pod)).length;
            if (found !== n) throw new Error(`${found} of ${n} pods of class ${podClass}`);
          }
        }
      },
    ),
    { numRuns: process.env.SOAK ? 2000 : 60, seed: 1 },
  );
});
