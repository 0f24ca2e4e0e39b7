import { outOfRange, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';

const { floatAt } = readers;

/** The worth of the movable pods on a node per USD of its price; `worth` is per pod class. */
export const fullness = (packing: Packing, node: number, worth: Float64Array): number => {
  let held = 0;
  for (const [podClass, n] of packing.content[node] ?? outOfRange(node, packing.content.length))
    held += n * floatAt(worth, podClass);
  return held / Math.max(packing.price(node), 1e-6);
};
