import type { Pod } from '../../api/objects.ts';
import type { OfferColumn } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';

/** One bought node of an answer, and the pods on it. */
export interface BoughtNode {
  readonly column: OfferColumn;
  readonly pods: readonly Pod[];
  /** Pods per shape. */
  readonly content: ReadonlyMap<number, number>;
}

/** A pod and the standing node that it moves to. */
export interface MoveToStanding {
  readonly pod: Pod;
  readonly node: number;
}

/** An answer in terms of pods: which nodes go, which come, who moves where. */
export interface Arrangement {
  readonly removed: readonly number[];
  readonly bought: readonly BoughtNode[];
  readonly moves: readonly MoveToStanding[];
}

/**
 * Names the pods of a packing. Pods of equal shape are interchangeable, so those that can stay where they are do.
 * `pending` are pods without a node.
 */
export const arrange = (packing: Packing, pending: readonly Pod[]): Arrangement => {
  const { problem } = packing;
  const shapeOf = new Map<Pod, number>();
  problem.shapes.forEach((shape, index) => {
    for (const pod of shape.pods) shapeOf.set(pod, index);
  });
  const waiting: Pod[][] = problem.shapes.map(() => []);
  const wanted: [number, number, number][] = [];
  const removed: number[] = [];
  problem.standing.forEach((standing, node) => {
    if (!packing.open[node]) removed.push(node);
    const left = new Map(packing.content[node]);
    for (const pod of standing.view.pods) {
      if (!standing.movable.has(pod)) continue;
      const shape = shapeOf.get(pod) ?? -1;
      const stay = packing.open[node] ? (left.get(shape) ?? 0) : 0;
      if (stay > 0) left.set(shape, stay - 1);
      else waiting[shape]?.push(pod);
    }
    if (packing.open[node]) for (const [shape, n] of left) if (n > 0) wanted.push([node, shape, n]);
  });
  for (const pod of pending) waiting[shapeOf.get(pod) ?? -1]?.push(pod);
  for (const pods of waiting) pods.reverse();
  const take = (shape: number, n: number): Pod[] =>
    Array.from({ length: n }, () => waiting[shape]?.pop()).filter((pod) => pod !== undefined);
  const moves = wanted.flatMap(([node, shape, n]) => take(shape, n).map((pod) => ({ pod, node })));
  const bought: BoughtNode[] = [];
  for (let node = packing.standing; node < packing.nodes; node += 1) {
    const column = packing.column[node];
    const content = packing.content[node];
    if (!packing.open[node] || !column || !content || content.size === 0) continue;
    const pods = [...content].flatMap(([shape, n]) => take(shape, n));
    bought.push({ column, pods, content });
  }
  bought.sort((a, b) => b.column.price - a.column.price);
  return { removed, bought, moves };
};
