import { z } from 'zod';
import type { Commitment } from './billing.ts';
import { canBeCovered } from './capacitytype.ts';
import type { Catalogue, InstanceType, Offering } from './catalogue.ts';

const discount = z
  .strictObject({
    instanceType: z.string().optional(),
    family: z.string().optional(),
    capacityType: z.enum(['spot', 'on-demand', 'reserved']).optional(),
    zone: z.string().optional(),
    percent: z.number().min(0).max(100),
    /** Number of reserved machines; more of them cost the list price. */
    instances: z.number().int().min(1).optional(),
    /** Commitment in USD per hour at discounted prices; use beyond it costs the list price. */
    hourlyCommitment: z.number().positive().optional(),
  })
  .refine((discount) => discount.instances === undefined || discount.hourlyCommitment === undefined, {
    message: 'instances and hourlyCommitment exclude each other',
  })
  .refine((discount) => discount.hourlyCommitment === undefined || discount.percent < 100, {
    message: 'an hourlyCommitment needs a percent below 100, or nothing would ever use it up',
  })
  .refine(
    (discount) =>
      (discount.instances ?? discount.hourlyCommitment) === undefined || discount.capacityType !== 'spot',
    {
      message: 'spot machines are not covered by reservations or Savings Plans',
    },
  );

const overlay = z.strictObject({ discounts: z.array(discount) });

/** Discounts on list prices, such as those of reservations and Savings Plans. */
export type PriceOverlay = z.output<typeof overlay>;
type Discount = z.output<typeof discount>;

/** An overlay that can't be used; the message is one sentence. */
export class OverlayError extends Error {
  override readonly name = 'OverlayError';
}

/** Reads a price overlay. Throws an OverlayError that names the field. */
export const parsePriceOverlay = (json: unknown): PriceOverlay => {
  const read = overlay.safeParse(json);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw new OverlayError(
    `The price overlay is wrong at ${issue?.path.join('.') || 'its top'}: ${issue?.message}.`,
  );
};

const commitmentOf = ({ instances, hourlyCommitment }: Discount): Commitment | undefined => {
  if (instances !== undefined) return { unit: 'instances', amount: instances };
  return hourlyCommitment === undefined ? undefined : { unit: 'hourly', amount: hourlyCommitment };
};

const isFor = (discount: Discount, type: InstanceType, offering: Offering): boolean =>
  (discount.instanceType === undefined || discount.instanceType === type.name) &&
  (discount.family === undefined || discount.family === type.name.split(/[.-]/)[0]) &&
  (discount.capacityType === undefined || discount.capacityType === offering.capacityType) &&
  (discount.zone === undefined || discount.zone === offering.zone);

const largest = (discounts: readonly Discount[]): Discount | undefined =>
  discounts.reduce<Discount | undefined>(
    (most, discount) => (most && most.percent >= discount.percent ? most : discount),
    undefined,
  );

/** Whether an overlay says of itself what is committed to; then it counts in place of what the catalogue knows. */
export const hasAmounts = ({ discounts }: PriceOverlay): boolean =>
  discounts.some((discount) => commitmentOf(discount) !== undefined);

/**
 * The catalogue at discounted prices. Of the discounts that match an offering, the largest without an amount sets the
 * price, and the largest with one covers it while it lasts. Without amounts the catalogue's own commitments stay.
 */
export const withPriceOverlay = (catalogue: Catalogue, { discounts }: PriceOverlay): Catalogue => {
  const limited = discounts.filter((discount) => commitmentOf(discount) !== undefined);
  const open = discounts.filter((discount) => commitmentOf(discount) === undefined);
  const kept = limited.length === 0 ? (catalogue.commitments ?? []) : [];
  return {
    commitments: [...kept, ...limited.flatMap((discount) => commitmentOf(discount) ?? [])],
    instanceTypes: catalogue.instanceTypes.map((type) => ({
      ...type,
      offerings: type.offerings.map(({ covered, ...offering }) => {
        const matching = (list: readonly Discount[]) =>
          list.filter((discount) => isFor(discount, type, offering));
        const always = largest(matching(open))?.percent ?? 0;
        const lasting = canBeCovered(offering.capacityType) ? largest(matching(limited)) : undefined;
        const at = (percent: number): number => offering.price * (1 - percent / 100);
        return {
          ...offering,
          listPrice: offering.price,
          price: at(always),
          ...(limited.length === 0 && covered && { covered }),
          ...(lasting &&
            lasting.percent > always && {
              covered: { commitment: limited.indexOf(lasting), price: at(lasting.percent) },
            }),
        };
      }),
    })),
  };
};
