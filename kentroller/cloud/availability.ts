import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import type { Catalogue, InstanceType, Offering } from '../../planner/model/catalogue.ts';

const matches = ({ spec }: UnavailableOffering, type: InstanceType, offering: Offering): boolean =>
  spec.instanceType === type.name &&
  spec.capacityType === offering.capacityType &&
  (spec.zone === undefined || spec.zone === offering.zone) &&
  (spec.zoneId === undefined || offering.zoneId === undefined || spec.zoneId === offering.zoneId);

/** The catalogue with the offerings of unexpired UnavailableOfferings marked unavailable. `now` in milliseconds. */
export const withoutUnavailable = (
  catalogue: Catalogue,
  unavailable: readonly UnavailableOffering[],
  now: number,
): Catalogue => {
  const current = unavailable.filter((u) => !u.spec.expiresAt || Date.parse(u.spec.expiresAt) > now);
  if (current.length === 0) return catalogue;
  const affectedTypes = new Set(current.map((u) => u.spec.instanceType));
  return {
    instanceTypes: catalogue.instanceTypes.map((type) =>
      affectedTypes.has(type.name)
        ? {
            ...type,
            offerings: type.offerings.map((offering) =>
              current.some((u) => matches(u, type, offering)) ? { ...offering, available: false } : offering,
            ),
          }
        : type,
    ),
  };
};
