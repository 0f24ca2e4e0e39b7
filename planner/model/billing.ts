/** Capacity that is paid for at a discount up to an amount: so many instances, or so many USD per hour of their use. */
export interface Commitment {
  readonly unit: 'instances' | 'hourly';
  readonly amount: number;
}

/** What an offering costs while a commitment lasts. */
export interface Covered {
  /** Which of the catalogue's commitments. */
  readonly commitment: number;
  /** USD per hour. */
  readonly price: number;
}

/** A node as a bill sees it: its price beyond every commitment, and what covers it. */
export interface Billed {
  readonly price: number;
  readonly covered?: Covered;
}

/**
 * The bill of a set of nodes. What a commitment covers is spread over all nodes that it is for, so that the sum does
 * not depend on which of them is said to be covered.
 */
export class Bill {
  readonly #commitments: readonly Commitment[];
  readonly #used: Float64Array;
  readonly #rebate: Float64Array;
  #list = 0;

  constructor(commitments: readonly Commitment[], nodes: Iterable<Billed> = []) {
    this.#commitments = commitments;
    this.#used = new Float64Array(commitments.length);
    this.#rebate = new Float64Array(commitments.length);
    for (const node of nodes) this.count(node, 1);
  }

  #unitsOf(covered: Covered): number {
    return this.#commitments[covered.commitment]?.unit === 'instances' ? 1 : covered.price;
  }

  /** Counts a node in, or out. */
  count({ price, covered }: Billed, sign: 1 | -1): void {
    this.#list += sign * price;
    if (!covered) return;
    const { commitment } = covered;
    this.#used[commitment] = (this.#used[commitment] ?? 0) + sign * this.#unitsOf(covered);
    this.#rebate[commitment] = (this.#rebate[commitment] ?? 0) + sign * (price - covered.price);
  }

  /** Starts anew, with no node. */
  clear(): void {
    this.#list = 0;
    this.#used.fill(0);
    this.#rebate.fill(0);
  }

  /** USD per hour. */
  total(): number {
    let total = this.#list;
    this.#commitments.forEach(({ amount }, index) => {
      const used = this.#used[index] ?? 0;
      if (used > 0) total -= (this.#rebate[index] ?? 0) * Math.min(1, amount / used);
    });
    return total;
  }

  /** What one more such node costs: less than its price while the commitment lasts. */
  priceOf({ price, covered }: Billed): number {
    if (!covered) return price;
    const { amount } = this.#commitments[covered.commitment] ?? { amount: 0 };
    const left = Math.max(0, amount - (this.#used[covered.commitment] ?? 0));
    const units = this.#unitsOf(covered);
    return price - (price - covered.price) * (units > 0 ? Math.min(1, left / units) : 1);
  }
}

/** What all commitments together can take off a bill at most, for nodes of these kinds. */
export const maxRebate = (commitments: readonly Commitment[], nodes: Iterable<Billed>): number => {
  const best = new Float64Array(commitments.length);
  for (const { price, covered } of nodes) {
    if (!covered) continue;
    const units = commitments[covered.commitment]?.unit === 'instances' ? 1 : covered.price;
    const perUnit = units > 0 ? (price - covered.price) / units : Number.POSITIVE_INFINITY;
    best[covered.commitment] = Math.max(best[covered.commitment] ?? 0, perUnit);
  }
  return commitments.reduce((sum, { amount }, index) => sum + (best[index] ?? 0) * amount, 0);
};
