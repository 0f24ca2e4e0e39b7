import type { Pod } from '../../api/objects.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';

/** One bought node of an answer, and the pods on it. */
export interface BoughtNode {
  readonly option: CompiledOption;
  readonly pods: readonly Pod[];
  /** Pods per shape. */
  readonly content: ReadonlyMap<number, number>;
}

/** A pod and the standing node that it moves to. */
export interface MoveToExistingNode {
  readonly pod: Pod;
  readonly node: number;
}

/** An answer in terms of pods: which nodes go, which come, who moves where. */
export interface Assignment {
  readonly removed: readonly number[];
  readonly bought: readonly BoughtNode[];
  readonly moves: readonly MoveToExistingNode[];
}

/**
 * Names the pods of a packing. Pods of equal shape are interchangeable, so those that can stay where they are do.
 * `pending` are pods without a node.
 */
export const assignPods = (packing: Packing, pending: readonly Pod[]): Assignment => {
  const { problem } = packing;
  const podClassOf = new Map<Pod, number>();
  problem.podClasses.forEach((podClass, index) => {
    for (const pod of podClass.pods) podClassOf.set(pod, index);
  });
  const waiting: Pod[][] = problem.podClasses.map(() => []);
  const wanted: [number, number, number][] = [];
  const removed: number[] = [];
  problem.existingNodes.forEach((existing, node) => {
    if (!packing.open[node]) removed.push(node);
    const left = new Map(packing.content[node]);
    for (const pod of existing.view.pods) {
      if (!existing.movable.has(pod)) continue;
      const podClass = podClassOf.get(pod) ?? -1;
      const stay = packing.open[node] ? (left.get(podClass) ?? 0) : 0;
      if (stay > 0) left.set(podClass, stay - 1);
      else waiting[podClass]?.push(pod);
    }
    if (packing.open[node]) for (const [podClass, n] of left) if (n > 0) wanted.push([node, podClass, n]);
  });
  for (const pod of pending) waiting[podClassOf.get(pod) ?? -1]?.push(pod);
  for (const pods of waiting) pods.reverse();
  const take = (podClass: number, n: number): Pod[] =>
    Array.from({ length: n }, () => waiting[podClass]?.pop()).filter((pod) => pod !== undefined);
  const moves = wanted.flatMap(([node, podClass, n]) => take(podClass, n).map((pod) => ({ pod, node })));
  const bought: BoughtNode[] = [];
  for (let node = packing.existingCount; node < packing.nodes; node += 1) {
    const option = packing.option[node];
    const content = packing.content[node];
    if (!packing.open[node] || !option || !content || content.size === 0) continue;
    const pods = [...content].flatMap(([podClass, n]) => take(podClass, n));
    bought.push({ option, pods, content });
  }
  bought.sort((a, b) => b.option.price - a.option.price);
  return { removed, bought, moves };
};
