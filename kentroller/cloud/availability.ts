import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import type { Catalogue, InstanceType, Offering } from '../../planner/model/catalogue.ts';

const matches = ({ spec }: UnavailableOffering, type: InstanceType, offering: Offering): boolean =>
  spec.instanceType === type.name &&
  spec.capacityType === offering.capacityType &&
  (spec.zone === undefined || spec.zone === offering.zone) &&
  (spec.zoneId === undefined || offering.zoneId === undefined || spec.zoneId === offering.zoneId);

/** The catalogue with those offerings closed that the cloud could not give lately. */
export const withoutUnavailable = (
  catalogue: Catalogue,
  unavailable: readonly UnavailableOffering[],
  now: number,
): Catalogue => {
  const holding = unavailable.filter((u) => !u.spec.expiresAt || Date.parse(u.spec.expiresAt) > now);
  if (holding.length === 0) return catalogue;
  const named = new Set(holding.map((u) => u.spec.instanceType));
  return {
    instanceTypes: catalogue.instanceTypes.map((type) =>
      named.has(type.name)
        ? {
            ...type,
            offerings: type.offerings.map((offering) =>
              holding.some((u) => matches(u, type, offering)) ? { ...offering, available: false } : offering,
            ),
          }
        : type,
    ),
  };
};

/** USD per hour of an offering; with no zone given, the cheapest. Undefined where the cloud has told no price. */
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
