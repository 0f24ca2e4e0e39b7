import type { Catalogue, Offering } from '../../../planner/model/catalogue.ts';
import type { UnpricedType } from './instancetypes.ts';
import type { OnDemandPrices, SpotPrices } from './prices.ts';

/** What was fetched from the cloud, each part at its own time. */
export interface AwsFacts {
  readonly types: readonly UnpricedType[];
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
    const where = { zone, ...(zoneId === undefined ? {} : { zoneId }) };
    return [
      ...(onDemand !== undefined && type.usageClasses.includes('on-demand')
        ? [{ ...where, capacityType: 'on-demand' as const, price: onDemand, available: true }]
        : []),
      ...(spot !== undefined && type.usageClasses.includes('spot')
        ? [{ ...where, capacityType: 'spot' as const, price: spot, available: true }]
        : []),
    ];
  });

/** Types with their offerings; what has no price or no zone can't be bought and is left out. */
export const buildCatalogue = (facts: AwsFacts): Catalogue => ({
  instanceTypes: facts.types.flatMap((type) => {
    const offerings = offeringsOf(type, facts);
    const { usageClasses: _, ...rest } = type;
    return offerings.length > 0 ? [{ ...rest, offerings }] : [];
  }),
});
