import { z } from 'zod';

/** Why a node must go, whether or not that saves money. */
export const MUST_GO_REASONS = ['Expiry', 'SpotPrediction', 'SpotFallbackRestore', 'ZonalShift'] as const;

/** What takes a node's place may cost this much by default, in percent of the node's own price at that time. */
const MAX_PRICE_PERCENT = 120;

/** Ten times any price is a mistake. */
const MOST_PERCENT = 1_000;

export const mustGo = z.object({
  reason: z.enum(MUST_GO_REASONS),
  maxPricePercent: z
    .int()
    .min(1)
    .max(MOST_PERCENT)
    .exactOptional()
    .meta({
      description: `The most that what takes the node's place may cost, in percent of what the node itself costs at that time; ${MAX_PRICE_PERCENT} by default.`,
    }),
});

export type MustGo = z.output<typeof mustGo>;

/** The most that may be spent in the place of a node that must go, in percent of its price. */
export const maxPricePercentOf = ({ maxPricePercent }: MustGo): number =>
  maxPricePercent ?? MAX_PRICE_PERCENT;

/** What may be spent in the place of a node, as a part of its price: 1 for a node that goes only to save money. */
export const priceLimitOf = (node: MustGo | undefined): number => (node ? maxPricePercentOf(node) / 100 : 1);
