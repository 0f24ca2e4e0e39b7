import { z } from 'zod';
import type { Catalogue } from './catalogue.ts';

const discount = z.strictObject({
  instanceType: z.string().optional(),
  family: z.string().optional(),
  capacityType: z.enum(['spot', 'on-demand', 'reserved']).optional(),
  zone: z.string().optional(),
  percent: z.number().min(0).max(100),
});

const overlay = z.strictObject({ discounts: z.array(discount) });

/** What is paid in truth: discounts on list prices, such as Savings Plans give. */
export type PriceOverlay = z.output<typeof overlay>;

/** An overlay that can't be used; the message is one sentence. */
export class OverlayError extends Error {
  override readonly name = 'OverlayError';
}

/** Reads a price overlay. Throws an OverlayError that names the field. */
export const overlayFrom = (json: unknown): PriceOverlay => {
  const read = overlay.safeParse(json);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw new OverlayError(
    `The price overlay is wrong at ${issue?.path.join('.') || 'its top'}: ${issue?.message}.`,
  );
};

/** The catalogue at the prices that are paid: of the discounts that match an offering, the largest counts. */
export const withOverlay = (catalogue: Catalogue, { discounts }: PriceOverlay): Catalogue => ({
  instanceTypes: catalogue.instanceTypes.map((type) => {
    const family = type.name.split(/[.-]/)[0];
    const here = discounts.filter(
      (each) =>
        (each.instanceType === undefined || each.instanceType === type.name) &&
        (each.family === undefined || each.family === family),
    );
    if (here.length === 0) return type;
    return {
      ...type,
      offerings: type.offerings.map((offering) => {
        const percent = here
          .filter(
            (each) =>
              (each.capacityType === undefined || each.capacityType === offering.capacityType) &&
              (each.zone === undefined || each.zone === offering.zone),
          )
          .reduce((most, each) => Math.max(most, each.percent), 0);
        return { ...offering, price: offering.price * (1 - percent / 100) };
      }),
    };
  }),
});
