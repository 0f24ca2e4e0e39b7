import { z } from 'zod';

/** Why a node must go, whether or not that saves money. */
export const MUST_GO_REASONS = ['Expiry', 'SpotPrediction', 'SpotFallbackRestore', 'ZonalShift'] as const;

/** What takes a node's place may cost this much by default, in percent of the node's own price at that time. */
const MAX_PRICE_PERCENT = 120;

/** Ten times any price is a mistake. */
export const MOST_PERCENT = 1_000;

export const mustGo = z.object({
  reason: z.enum(MUST_GO_REASONS),
  maxPricePercent: z
    .int()
    .min(1)
    .max(MOST_PERCENT)
    .exactOptional()
    .meta({
      description: `The most that what takes the node's place may cost, in percent of what the node itself costs at that time, outside of its capacity reservation where it is in one; ${MAX_PRICE_PERCENT} by default.`,
    }),
});

export type MustGo = z.output<typeof mustGo>;

/** The most that may be spent in the place of a node that must go, in percent of its price. */
export const maxPricePercentOf = ({ maxPricePercent }: MustGo): number =>
  maxPricePercent ?? MAX_PRICE_PERCENT;

/** What a node costs, in USD per hour. */
export interface PaidPrice {
  readonly price: number;
  /** What its machine costs outside of the capacity reservation that it is in; left out for one in none. */
  readonly unreserved?: number | undefined;
}

/**
 * USD per hour that may be spent in the place of a node: its price, or a percentage of it where it must go. A reserved
 * machine costs next to nothing, so that percentage is of its price outside of the reservation.
 */
export const mostInPlaceOf = (
  { price, unreserved = price }: PaidPrice,
  maxPricePercent: number | undefined,
): number => (maxPricePercent === undefined ? price : (unreserved * maxPricePercent) / 100);
