import type { Catalogue, Offering } from '../../planner/model/catalogue.ts';
import { reservedPrice } from '../../planner/model/offers/reservations.ts';
import type { KeptCapacity } from './capacityreservations.ts';
import type { OnDemandPrices, SpotPrices } from './prices.ts';
import type { UnpricedType } from './unpricedtype.ts';

/** Data read from AWS; each part is refreshed on its own. */
export interface AwsFacts {
  readonly types: readonly UnpricedType[];
  /** Zones that offer a type, by type. */
  readonly zones: ReadonlyMap<string, readonly string[]>;
  /** Zone ids by zone. */
  readonly zoneIds: ReadonlyMap<string, string>;
  readonly onDemand: OnDemandPrices;
  readonly spot: SpotPrices;
  /** Left out where they are not read. */
  readonly reservations?: { readonly list: readonly KeptCapacity[]; readonly readAt: number };
}

const reservedOf = (type: UnpricedType, { reservations, onDemand, zoneIds }: AwsFacts): Offering[] => {
  const price = onDemand.get(type.name);
  if (!reservations || price === undefined) return [];
  const ofType = reservations.list.filter(({ instanceType }) => instanceType === type.name);
  return ofType.map(({ instanceType: _, zone, ...reservation }) => {
    const zoneId = zoneIds.get(zone);
    return {
      zone,
      ...(zoneId !== undefined && { zoneId }),
      capacityType: 'reserved' as const,
      price: reservedPrice(price),
      available: reservation.left > 0,
      reservation: { ...reservation, readAt: reservations.readAt },
    };
  });
};

const offeringsOf = (type: UnpricedType, facts: AwsFacts): Offering[] =>
  (facts.zones.get(type.name) ?? []).flatMap((zone): Offering[] => {
    const onDemand = facts.onDemand.get(type.name);
    const spot = facts.spot.get(`${type.name}/${zone}`);
    const zoneId = facts.zoneIds.get(zone);
    const location = { zone, ...(zoneId !== undefined && { zoneId }) };
    return [
      ...(onDemand !== undefined && type.usageClasses.includes('on-demand')
        ? [{ ...location, capacityType: 'on-demand' as const, price: onDemand, available: true }]
        : []),
      ...(spot !== undefined && type.usageClasses.includes('spot')
        ? [{ ...location, capacityType: 'spot' as const, price: spot, available: true }]
        : []),
    ];
  });

/** The catalogue; types and offerings without a price or a zone can't be bought and are not in it. */
export const buildCatalogue = (facts: AwsFacts): Catalogue => ({
  instanceTypes: facts.types.flatMap((type) => {
    const offerings = [...offeringsOf(type, facts), ...reservedOf(type, facts)];
    const { usageClasses: _, ...rest } = type;
    return offerings.length > 0 ? [{ ...rest, offerings }] : [];
  }),
});
