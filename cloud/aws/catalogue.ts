import type { Catalogue, Offering } from '../../planner/model/catalogue.ts';
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
}

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
    const offerings = offeringsOf(type, facts);
    const { usageClasses: _, ...rest } = type;
    return offerings.length > 0 ? [{ ...rest, offerings }] : [];
  }),
});
