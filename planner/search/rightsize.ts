import type { CompiledOption } from '../packing/compiledoption.ts';
import { byteAt, floatAt } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';

/** Whether an option has room for all that is on a bought node. */
const canHold = (packing: Packing, option: CompiledOption, from: CompiledOption, node: number): boolean => {
  const free = packing.roomOf(node);
  for (let d = 0; d < packing.width; d += 1) {
    const load = floatAt(from.room, d) - floatAt(free, d);
    // Amounts are whole numbers; half a one allows for rounding.
    if (load > floatAt(option.room, d) + 0.5) return false;
  }
  return true;
};

/** Replaces each bought node by one of the cheapest option that holds its pods. */
export const rightsize = (packing: Packing): void => {
  const byPrice = [...packing.problem.options].sort((a, b) => a.price - b.price);
  for (let node = packing.existingCount; node < packing.nodes; node += 1) {
    const option = packing.option[node];
    if (byteAt(packing.open, node) === 0 || !option) continue;
    const able = byPrice.filter(
      (other) =>
        other === option ||
        ((!packing.isPlain || other.price < option.price) && canHold(packing, other, option, node)),
    );
    if (able.length === 1 && able[0] === option) continue;
    const content = packing.empty(node);
    const isRuled = content.some(([podClass]) => packing.counts.hasRules(podClass));
    packing.sell(node);
    const pods = content.reduce((sum, [, n]) => sum + n, 0);
    const costOf = (other: CompiledOption): number => packing.priceOf(other) + pods * other.podRisk;
    const cost = costOf(option);
    const order = packing.isPlain ? able : able.sort((a, b) => costOf(a) - costOf(b));
    for (const other of order) {
      const isOwn = other === option;
      if (!isOwn) {
        if (costOf(other) >= cost || (isRuled && other.nodeClass !== option.nodeClass)) continue;
        if (!packing.limits.canBuy(other)) continue;
      }
      const again = packing.buy(other);
      if (isOwn) {
        // Put back unchecked, limits and rules included: the pods were here, and none may be lost.
        for (const [podClass, n] of content) packing.put(podClass, again, n);
        break;
      }
      if (content.every(([podClass, n]) => packing.putUpTo(podClass, again, n) === n)) break;
      packing.empty(again);
      packing.sell(again);
    }
  }
};
