import {
  CAPACITY_RESERVATION_ID,
  CAPACITY_RESERVATION_INTERRUPTIBLE,
  CAPACITY_RESERVATION_TYPE,
  KARPENTER_CAPACITY_TYPE,
  REGION,
  ZONE,
  ZONE_ID,
} from '../../../api/labels.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { Offering } from '../catalogue.ts';

/** Labels that machines of reservations alone have. */
export const RESERVATION_LABELS: readonly string[] = [
  CAPACITY_RESERVATION_ID,
  CAPACITY_RESERVATION_TYPE,
  CAPACITY_RESERVATION_INTERRUPTIBLE,
];

/** Labels that differ between the offerings of one instance type. */
export const OFFERING_LABELS: ReadonlySet<string> = new Set([
  ZONE,
  KARPENTER_CAPACITY_TYPE,
  ZONE_ID,
  REGION,
  ...RESERVATION_LABELS,
]);

/** The labels of a machine in the offering's reservation; none for one that is of none. */
export const reservationLabels = ({ reservation }: Offering): Readonly<Record<string, string>> =>
  reservation
    ? {
        [CAPACITY_RESERVATION_ID]: reservation.id,
        [CAPACITY_RESERVATION_TYPE]: reservation.type,
        [CAPACITY_RESERVATION_INTERRUPTIBLE]: String(reservation.interruptible),
      }
    : {};

/** The region of each zone, where it is known. */
export type RegionOfZone = Pick<ReadonlyMap<string, string>, 'get'>;

/** The value of such a label; undefined where it is not known, and for every other label. */
export const offeringLabel = (offering: Offering, key: string, regions: RegionOfZone): string | undefined => {
  const { zone, capacityType, zoneId } = offering;
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
      return offering.reservation && valueAt(reservationLabels(offering), key);
  }
};
