import type { CompiledOption } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';

/** The place of the dimension that counts pods. */
const PODS = 2;

/** What a node costs, and what its content is worth. */
interface Weighed {
  readonly price: number;
  readonly packed: number;
}

/**
 * Tells which columns can't be the best next node, whatever would fit on them, so that they need not be filled on
 * trial: the content of a node is worth no more than its room. Those that look best come first.
 */
export class OptionPruner {
  readonly options: readonly CompiledOption[];
  /** What the room of each column is worth. */
  readonly #most: Float64Array;
  readonly #packing: Packing;
  /** What is left to be placed is worth so much. */
  #total = 0;
  /** The best rate so far, and the best that may still come. */
  #ratio = Number.POSITIVE_INFINITY;
  #floor = Number.POSITIVE_INFINITY;
  #best: Weighed | null = null;

  /** `prices` are unit prices of the dimensions. */
  constructor(packing: Packing, options: readonly CompiledOption[], prices: Float64Array) {
    this.#packing = packing;
    const mostOf = ({ room }: CompiledOption): number => {
      // Every pod is worth a little more than its sizes.
      let most = 1e-9 * (1 + (room[PODS] as number));
      for (let d = 0; d < room.length; d += 1) most += (prices[d] as number) * (room[d] as number);
      return most * (1 + 1e-9);
    };
    const rated = options.map((option) => {
      const most = mostOf(option);
      return { option, most, rate: option.price / most };
    });
    rated.sort((a, b) => a.rate - b.rate);
    this.options = rated.map((each) => each.option);
    this.#most = Float64Array.from(rated, (each) => each.most);
  }

  /** What the room of the largest is worth. */
  get largest(): number {
    return this.#most.reduce((largest, most) => Math.max(largest, most), 0);
  }

  /** Begins the choice of a node for pods that are worth `total` together. */
  begin(total: number): void {
    this.#total = total;
    this.#ratio = Number.POSITIVE_INFINITY;
    this.#floor = Number.POSITIVE_INFINITY;
    this.#best = null;
    for (let index = 0; index < this.options.length; index += 1) {
      const rate = this.#priceAt(index) / (this.#most[index] as number);
      if (rate < this.#floor) this.#floor = rate;
    }
  }

  #priceAt(index: number): number {
    return this.#packing.priceOf(this.options[index] as CompiledOption);
  }

  /** What a node and the rest, at a rate, cost together. */
  #costOf(price: number, packed: number, rate: number): number {
    return price + Math.max(0, this.#total - packed) * rate;
  }

  /** Takes note of what a node would hold. */
  record(found: Weighed): void {
    const { price, packed } = found;
    this.#ratio = Math.min(this.#ratio, price / packed);
    this.#floor = Math.min(this.#floor, this.#ratio);
    const best = this.#best;
    const ratio = this.#ratio;
    if (!best || this.#costOf(price, packed, ratio) < this.#costOf(best.price, best.packed, ratio)) {
      this.#best = found;
    }
  }

  /** Whether another node is better than the column in this place, at every rate that the best may come to. */
  isDominated(index: number): boolean {
    const best = this.#best;
    const ratio = this.#ratio;
    const floor = this.#floor;
    if (!best) return false;
    const price = this.#priceAt(index);
    const most = this.#most[index] as number;
    if (price < ratio * most) return false;
    // Costs are linear in the rate.
    return (
      this.#costOf(price, most, ratio) > this.#costOf(best.price, best.packed, ratio) + 1e-9 &&
      this.#costOf(price, most, floor) > this.#costOf(best.price, best.packed, floor) + 1e-9
    );
  }
}
