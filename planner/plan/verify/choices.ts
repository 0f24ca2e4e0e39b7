import {
  ARCH,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  OS,
  REGION,
  ZONE,
  ZONE_ID,
} from '../../../api/labels.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType, Offering } from '../../model/catalogue.ts';
import { canonicalKey } from '../../model/machinelabels.ts';
import { RESERVATION_LABELS, reservationLabels } from '../../model/offers/offeringlabels.ts';

/** How one machine may be bought. */
export interface Choice {
  readonly type: InstanceType;
  readonly offering: Offering;
  readonly os: string;
  readonly region: string | undefined;
}

/** The labels that the cloud sets: of a machine's type and of its offering. */
export const cloudLabel = ({ type, offering, os, region }: Choice, key: string): string | undefined => {
  switch (canonicalKey(key)) {
    case INSTANCE_TYPE:
      return type.name;
    case ZONE:
      return offering.zone;
    case KARPENTER_CAPACITY_TYPE:
      return offering.capacityType;
    case ZONE_ID:
      return offering.zoneId ?? valueAt(type.labels, key);
    case OS:
      return os;
    case REGION:
      return region;
    case ARCH:
      return valueAt(type.labels, ARCH) ?? type.arch;
    default:
      return valueAt(reservationLabels(offering), key) ?? valueAt(type.labels, key);
  }
};

export const OF_OFFERING: ReadonlySet<string> = new Set([
  ZONE,
  KARPENTER_CAPACITY_TYPE,
  ZONE_ID,
  OS,
  REGION,
  ...RESERVATION_LABELS,
]);
/** Labels that the cloud gives to every machine. */
export const OF_CLOUD: readonly string[] = [INSTANCE_TYPE, ARCH, ...OF_OFFERING];
