import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, OS, ZONE, ZONE_ID } from '../../api/labels.ts';
import type { Requirement } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Catalogue, InstanceType, Offering } from '../model/catalogue.ts';
import { RESERVATION_LABELS, reservationLabels } from '../model/offers/offeringlabels.ts';
import { meets } from '../scheduling/nodeaffinity.ts';

/** An offering with the instance type that it sells. */
export interface TypeOffering {
  readonly type: InstanceType;
  readonly offering: Offering;
}

const OF_OFFERING: ReadonlySet<string> = new Set([
  ZONE,
  KARPENTER_CAPACITY_TYPE,
  ZONE_ID,
  ...RESERVATION_LABELS,
]);

const meetsOffering = (requirement: Requirement, offering: Offering): boolean => {
  const { zone, zoneId, capacityType } = offering;
  if (RESERVATION_LABELS.includes(requirement.key))
    return meets(requirement, valueAt(reservationLabels(offering), requirement.key));
  switch (requirement.key) {
    case ZONE:
      return meets(requirement, zone);
    case KARPENTER_CAPACITY_TYPE:
      return meets(requirement, capacityType);
    default:
      return zoneId === undefined || meets(requirement, zoneId);
  }
};

/** Labels that no type has are the NodePool's own, and rule out no type. */
const meetsType = (requirement: Requirement, type: InstanceType): boolean => {
  if (requirement.key === INSTANCE_TYPE) return meets(requirement, type.name);
  if (requirement.key === OS) return type.os.some((os) => meets(requirement, os));
  const value = valueAt(type.labels, requirement.key);
  return value === undefined || meets(requirement, value);
};

/** Every offering of the catalogue that a NodeClaim with these requirements may become, available or not. */
export const allowedOfferings = (
  requirements: readonly Requirement[],
  catalogue: Catalogue,
): readonly TypeOffering[] => {
  const ofOffering = requirements.filter(({ key }) => OF_OFFERING.has(key));
  const ofType = requirements.filter(({ key }) => !OF_OFFERING.has(key));
  return catalogue.instanceTypes
    .filter((type) => ofType.every((each) => meetsType(each, type)))
    .flatMap((type) =>
      type.offerings
        .filter((offering) => ofOffering.every((each) => meetsOffering(each, offering)))
        .map((offering) => ({ type, offering })),
    );
};
