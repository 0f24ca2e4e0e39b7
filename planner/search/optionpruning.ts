import type { CompiledOption } from '../packing/compiledoption.ts';
import { outOfRange, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';

const { floatAt } = readers;

/** The place of the dimension that counts pods. */
const PODS = 2;

/** A node with its content: USD per hour, and the worth of its pods. */
interface WeighedNode {
  readonly price: number;
  readonly packed: number;
}

/** The most that pods in a room can be worth; every pod is worth a little more than its sizes. */
const roomWorth = ({ room }: CompiledOption, prices: Float64Array): number => {
  let worth = 1e-9 * (1 + floatAt(room, PODS));
  for (let d = 0; d < room.length; d += 1) worth += floatAt(prices, d) * floatAt(room, d);
  return worth * (1 + 1e-9);
};

/**
 * Rules out options that can't be the best next node, so that they need not be filled: pods on a node are worth no
 * more than its room.
 */
export class OptionPruner {
  /** The cheapest for their room first. */
  readonly options: readonly CompiledOption[];
  /** Per option, the worth of its room. */
  readonly #most: Float64Array;
  readonly #packing: Pick<Packing, 'priceOf'>;
  /** The worth of all pods that are still to be placed. */
  #total = 0;
  /** The best price per worth so far, and the best that may still come. */
  #rate = Number.POSITIVE_INFINITY;
  #leastRate = Number.POSITIVE_INFINITY;
  #best: WeighedNode | undefined;

  /** `prices` are unit prices of the dimensions. */
  constructor(packing: Pick<Packing, 'priceOf'>, options: readonly CompiledOption[], prices: Float64Array) {
    this.#packing = packing;
    const rated = options.map((option) => {
      const most = roomWorth(option, prices);
      return { option, most, rate: option.price / most };
    });
    rated.sort((a, b) => a.rate - b.rate);
    this.options = rated.map(({ option }) => option);
    this.#most = Float64Array.from(rated, ({ most }) => most);
  }

  /** The worth of the largest room. */
  get largest(): number {
    return this.#most.reduce((largest, most) => Math.max(largest, most), 0);
  }

  /** Starts the choice of a node for pods that are worth `total` together. */
  begin(total: number): void {
    const { options } = this;
    const packing = this.#packing;
    const most = this.#most;
    let leastRate = Number.POSITIVE_INFINITY;
    for (let index = 0; index < most.length; index += 1) {
      const rate =
        packing.priceOf(options[index] ?? outOfRange(index, options.length)) / floatAt(most, index);
      if (rate < leastRate) leastRate = rate;
    }
    this.#total = total;
    this.#rate = Number.POSITIVE_INFINITY;
    this.#leastRate = leastRate;
    this.#best = undefined;
  }

  /** What a node costs together with nodes at a rate for the pods that it leaves. */
  #costOf(price: number, packed: number, rate: number): number {
    return price + Math.max(0, this.#total - packed) * rate;
  }

  /** Notes a node that was filled. */
  record(node: WeighedNode): void {
    const { price, packed } = node;
    const rate = Math.min(this.#rate, price / packed);
    this.#rate = rate;
    this.#leastRate = Math.min(this.#leastRate, rate);
    const best = this.#best;
    if (!best || this.#costOf(price, packed, rate) < this.#costOf(best.price, best.packed, rate)) {
      this.#best = node;
    }
  }

  /** Whether a recorded node is better than the option at this index, at every rate that the best may come to. */
  isDominated(index: number): boolean {
    const best = this.#best;
    if (!best) return false;
    const rate = this.#rate;
    const leastRate = this.#leastRate;
    const price = this.#packing.priceOf(this.options[index] ?? outOfRange(index, this.options.length));
    const most = floatAt(this.#most, index);
    if (price < rate * most) return false;
    // Costs are linear in the rate, so its two ends are enough.
    return (
      this.#costOf(price, most, rate) > this.#costOf(best.price, best.packed, rate) + 1e-9 &&
      this.#costOf(price, most, leastRate) > this.#costOf(best.price, best.packed, leastRate) + 1e-9
    );
  }
}
