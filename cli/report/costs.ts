import { HOURS_PER_MONTH } from '../../api/labels.ts';

/** What some machines cost, as far as their prices are known. */
export interface KnownCost {
  /** USD per month; null where none of them has a known price. */
  readonly monthlyCost: number | null;
  /** Machines of them without a known price, which the cost leaves out. */
  readonly unpriced: number;
}

/** The cost of machines with these prices, in USD per hour, undefined if unknown. */
export const knownCostOf = (prices: readonly (number | undefined)[]): KnownCost => {
  const known = prices.filter((price) => price !== undefined);
  return {
    monthlyCost:
      known.length === 0 && prices.length > 0
        ? null
        : known.reduce((total, price) => total + price, 0) * HOURS_PER_MONTH,
    unpriced: prices.length - known.length,
  };
};

/** ' without 3 of unknown price'; empty where the cost is whole or unknown as a whole. */
export const describeMissing = ({ monthlyCost, unpriced }: KnownCost): string =>
  unpriced > 0 && monthlyCost !== null ? ` without ${unpriced} of unknown price` : '';
