import type { OfferColumn } from '../packing/compiledoption.ts';
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
export class Prospects {
  readonly columns: readonly OfferColumn[];
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
  constructor(packing: Packing, columns: readonly OfferColumn[], prices: Float64Array) {
    this.#packing = packing;
    const mostOf = ({ room }: OfferColumn): number => {
      // Every pod is worth a little more than its sizes.
      let most = 1e-9 * (1 + (room[PODS] as number));
      for (let d = 0; d < room.length; d += 1) most += (prices[d] as number) * (room[d] as number);
      return most * (1 + 1e-9);
    };
    const rated = columns.map((column) => {
      const most = mostOf(column);
      return { column, most, rate: column.price / most };
    });
    rated.sort((a, b) => a.rate - b.rate);
    this.columns = rated.map((each) => each.column);
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
    for (let place = 0; place < this.columns.length; place += 1) {
      const rate = this.#priceAt(place) / (this.#most[place] as number);
      if (rate < this.#floor) this.#floor = rate;
    }
  }

  #priceAt(place: number): number {
    return this.#packing.priceOf(this.columns[place] as OfferColumn);
  }

  /** What a node and the rest, at a rate, cost together. */
  #costOf(price: number, packed: number, rate: number): number {
    return price + Math.max(0, this.#total - packed) * rate;
  }

  /** Takes note of what a node would hold. */
  see(found: Weighed): void {
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
  isHopeless(place: number): boolean {
    const best = this.#best;
    const ratio = this.#ratio;
    const floor = this.#floor;
    if (!best) return false;
    const price = this.#priceAt(place);
    const most = this.#most[place] as number;
    if (price < ratio * most) return false;
    // Costs are linear in the rate.
    return (
      this.#costOf(price, most, ratio) > this.#costOf(best.price, best.packed, ratio) + 1e-9 &&
      this.#costOf(price, most, floor) > this.#costOf(best.price, best.packed, floor) + 1e-9
    );
  }
}
