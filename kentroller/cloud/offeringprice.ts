import type { Catalogue } from '../../planner/model/catalogue.ts';

/** USD per hour of an offering, of the cheapest zone when `zone` is ''; undefined when the catalogue has none. */
export const findPrice = (
  catalogue: Catalogue,
  instanceType: string,
  zone: string,
  capacityType: string,
): number | undefined => {
  const prices = catalogue.instanceTypes
    .find((type) => type.name === instanceType)
    ?.offerings.filter((o) => o.capacityType === capacityType && (zone === '' || o.zone === zone))
    .map((o) => o.price);
  return prices && prices.length > 0 ? Math.min(...prices) : undefined;
};
