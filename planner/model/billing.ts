/** A discount up to an amount: a number of reserved instances, or USD per hour committed to. */
export interface Commitment {
  readonly unit: 'instances' | 'hourly';
  readonly amount: number;
}

/** The price of an offering that a commitment covers. */
export interface Covered {
  /** Index in the catalogue's commitments. */
  readonly commitment: number;
  /** USD per hour. */
  readonly price: number;
}

/** A node on a bill: its price in USD per hour without commitments, and what covers it. */
export interface Billed {
  readonly price: number;
  readonly covered?: Covered;
}

/**
 * The bill of a set of nodes. A commitment's rebate is spread over all nodes that it may cover, so the total does not
 * depend on which of them it covers.
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

  /** Adds a node, or removes one when sign is -1. */
  count({ price, covered }: Billed, sign: 1 | -1): void {
    this.#list += sign * price;
    if (!covered) return;
    const { commitment } = covered;
    this.#used[commitment] = (this.#used[commitment] ?? 0) + sign * this.#unitsOf(covered);
    this.#rebate[commitment] = (this.#rebate[commitment] ?? 0) + sign * (price - covered.price);
  }

  /** Removes all nodes. */
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

  /** USD per hour that one more such node adds to the total. */
  priceOf({ price, covered }: Billed): number {
    if (!covered) return price;
    const { amount } = this.#commitments[covered.commitment] ?? { amount: 0 };
    const left = Math.max(0, amount - (this.#used[covered.commitment] ?? 0));
    const units = this.#unitsOf(covered);
    return price - (price - covered.price) * (units > 0 ? Math.min(1, left / units) : 1);
  }
}

/** The most that all commitments can take off a bill of such nodes, in USD per hour. */
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
