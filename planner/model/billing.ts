/** A discount up to an amount: a number of reserved instances, or USD per hour committed to. */
export interface Commitment {
  readonly unit: 'instances' | 'hourly';
  readonly amount: number;
}

/** The price of an offering that a commitment covers. */
export interface Covered {
  /** Index in the catalogue's commitments. */
  readonly commitment: number;
  /** USD per hour; 0 for what is paid for whether it is used or not. */
  readonly price: number;
  /** What the node uses of the commitment, in its unit; where left out one instance, or the price. */
  readonly uses?: number;
}

/** A node on a bill: its price in USD per hour without commitments, and what covers it. */
export interface Billed {
  readonly price: number;
  readonly covered?: Covered;
}

/** What one covered node uses of a commitment, in its unit. */
const unitsOf = ({ unit }: Commitment, { price, uses }: Covered): number =>
  uses ?? (unit === 'instances' ? 1 : price);

interface CommitmentUse {
  readonly commitment: Commitment;
  /** Units that the nodes on the bill would use if there were enough. */
  units: number;
  /** USD per hour that they would save then. */
  fullRebate: number;
}

/**
 * The bill of a set of nodes. A commitment's rebate is spread over all nodes that it may cover, so the total does not
 * depend on which of them it covers.
 */
export class Bill {
  readonly #uses: readonly CommitmentUse[];
  /** USD per hour without commitments. */
  #listTotal = 0;

  constructor(commitments: readonly Commitment[], nodes: Iterable<Billed> = []) {
    this.#uses = commitments.map((commitment) => ({ commitment, units: 0, fullRebate: 0 }));
    for (const node of nodes) this.count(node, 1);
  }

  #useOf({ commitment }: Covered): CommitmentUse {
    const use = this.#uses[commitment];
    if (!use) throw new Error(`commitment ${commitment} is missing`);
    return use;
  }

  /** Adds a node, or removes one when sign is -1. */
  count({ price, covered }: Billed, sign: 1 | -1): void {
    this.#listTotal += sign * price;
    if (!covered) return;
    const use = this.#useOf(covered);
    use.units += sign * unitsOf(use.commitment, covered);
    use.fullRebate += sign * (price - covered.price);
  }

  /** Removes all nodes. */
  clear(): void {
    this.#listTotal = 0;
    for (const use of this.#uses) {
      use.units = 0;
      use.fullRebate = 0;
    }
  }

  /** USD per hour. */
  total(): number {
    let total = this.#listTotal;
    for (const { commitment, units, fullRebate } of this.#uses) {
      if (units > 0) total -= fullRebate * Math.min(1, commitment.amount / units);
    }
    return total;
  }

  /** USD per hour that one more such node adds to the total. */
  priceOf({ price, covered }: Billed): number {
    if (!covered) return price;
    const { commitment, units: used } = this.#useOf(covered);
    const left = Math.max(0, commitment.amount - used);
    const units = unitsOf(commitment, covered);
    return price - (price - covered.price) * (units > 0 ? Math.min(1, left / units) : 1);
  }
}

/** The most that all commitments can take off a bill of such nodes, in USD per hour. */
export const maxRebate = (commitments: readonly Commitment[], nodes: Iterable<Billed>): number => {
  const perUnit = new Map<Commitment, number>();
  for (const { price, covered } of nodes) {
    if (!covered) continue;
    const commitment = commitments[covered.commitment];
    if (!commitment) throw new Error(`commitment ${covered.commitment} is missing`);
    const units = unitsOf(commitment, covered);
    const rebate = units > 0 ? (price - covered.price) / units : Number.POSITIVE_INFINITY;
    perUnit.set(commitment, Math.max(perUnit.get(commitment) ?? 0, rebate));
  }
  return commitments.reduce((sum, commitment) => sum + (perUnit.get(commitment) ?? 0) * commitment.amount, 0);
};
