import { mustGet } from '../../api/mustget.ts';
import type { Pod } from '../../api/objects.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import { byteAt, itemAt } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';

/** A node to buy, and the pods on it. */
export interface BoughtNode {
  readonly option: CompiledOption;
  readonly pods: readonly Pod[];
  /** Pods per pod class. */
  readonly content: ReadonlyMap<number, number>;
}

/** A pod and the number of the existing node that it moves to. */
export interface MoveToExistingNode {
  readonly pod: Pod;
  readonly node: number;
}

/** An answer in terms of pods: nodes to remove, nodes to buy and pods that move. */
export interface Assignment {
  /** Numbers of existing nodes. */
  readonly removed: readonly number[];
  /** The most expensive first. */
  readonly bought: readonly BoughtNode[];
  readonly moves: readonly MoveToExistingNode[];
}

/** Queues of pods per class that still need a place, first in, first out. */
class UnassignedPods {
  readonly #ofClass: Pod[][];
  #isReversed = false;

  constructor(podClasses: number) {
    this.#ofClass = Array.from({ length: podClasses }, () => []);
  }

  add(podClass: number, pod: Pod): void {
    itemAt(this.#ofClass, podClass).push(pod);
  }

  /** Dequeues `n` pods of a class; nothing may be added afterwards. Throws when there are fewer. */
  take(podClass: number, n: number): Pod[] {
    if (!this.#isReversed) for (const pods of this.#ofClass) pods.reverse();
    this.#isReversed = true;
    const pods = itemAt(this.#ofClass, podClass);
    if (pods.length < n) throw new Error(`pod class ${podClass} has ${pods.length} pods left, not ${n}`);
    return pods.splice(pods.length - n).reverse();
  }
}

/**
 * Names the pods of a packing. Pods of a class are interchangeable, so those that can stay where they are do; `pending`
 * are pods without a node.
 */
export const assignPods = (packing: Packing, pending: readonly Pod[]): Assignment => {
  const { problem } = packing;
  const podClassOf = new Map<Pod, number>();
  problem.podClasses.forEach(({ pods }, podClass) => {
    for (const pod of pods) podClassOf.set(pod, podClass);
  });
  const classOf = (pod: Pod): number => mustGet(podClassOf, pod, 'pod class of pod');
  const unassigned = new UnassignedPods(problem.podClasses.length);
  const places: { readonly node: number; readonly podClass: number; readonly n: number }[] = [];
  const removed: number[] = [];
  problem.existingNodes.forEach((existing, node) => {
    const isOpen = byteAt(packing.open, node) === 1;
    if (!isOpen) removed.push(node);
    const left = new Map(isOpen ? itemAt(packing.content, node) : []);
    for (const pod of existing.view.pods) {
      if (!existing.movable.has(pod)) continue;
      const podClass = classOf(pod);
      const staying = left.get(podClass) ?? 0;
      if (staying > 0) left.set(podClass, staying - 1);
      else unassigned.add(podClass, pod);
    }
    for (const [podClass, n] of left) if (n > 0) places.push({ node, podClass, n });
  });
  for (const pod of pending) unassigned.add(classOf(pod), pod);
  const moves = places.flatMap(({ node, podClass, n }) =>
    unassigned.take(podClass, n).map((pod) => ({ pod, node })),
  );
  const bought: BoughtNode[] = [];
  for (let node = packing.existingCount; node < packing.nodes; node += 1) {
    const option = packing.option[node];
    const content = itemAt(packing.content, node);
    if (byteAt(packing.open, node) === 0 || !option || content.size === 0) continue;
    const pods = [...content].flatMap(([podClass, n]) => unassigned.take(podClass, n));
    bought.push({ option, pods, content });
  }
  bought.sort((a, b) => b.option.price - a.option.price);
  return { removed, bought, moves };
};
