import { KARPENTER_CAPACITY_TYPE, REGION, ZONE, ZONE_ID } from '../../../api/labels.ts';
import type { Offering } from '../catalogue.ts';

/** Labels that differ between the offerings of one instance type. */
export const OFFERING_LABELS: ReadonlySet<string> = new Set([ZONE, KARPENTER_CAPACITY_TYPE, ZONE_ID, REGION]);

/** The region of each zone, where it is known. */
export type RegionOfZone = Pick<ReadonlyMap<string, string>, 'get'>;

/** The value of such a label; undefined where it is not known, and for every other label. */
export const offeringLabel = (
  { zone, capacityType, zoneId }: Offering,
  key: string,
  regions: RegionOfZone,
): string | undefined => {
  switch (key) {
    case ZONE:
      return zone;
    case KARPENTER_CAPACITY_TYPE:
      return capacityType;
    case ZONE_ID:
      return zoneId || undefined;
    case REGION:
      return regions.get(zone);
    default:
      return undefined;
  }
};
