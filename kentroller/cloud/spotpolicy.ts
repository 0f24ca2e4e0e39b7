import type { UnavailableOffering, UnavailableOfferingSpec } from '../../api/kinds/unavailableoffering.ts';
import type { Node } from '../../api/objects.ts';
import {
  type Catalogue,
  type InstanceType,
  instanceFamily,
  mapOfferings,
  type Offering,
} from '../../planner/model/catalogue.ts';
import { zoneIdsOf } from '../../planner/model/offers/zoneids.ts';
import type { Policies } from '../policies/settings.ts';
import { refusalsLeft } from '../rebalanceplan/create/unavailable.ts';
import { availabilityCheck } from './availability.ts';

/** What a record says for as long as it counts, though the offering may be tried again: without its end. */
const lasting = ({ metadata, spec }: UnavailableOffering): UnavailableOffering => {
  const { expiresAt: _, ...rest } = spec;
  return { metadata, spec: rest satisfies UnavailableOfferingSpec };
};

/** Whether a record of spot that was refused, interrupted or predicted to be still counts; `now` in milliseconds. */
const stillCounts = (record: UnavailableOffering, now: number): boolean =>
  record.spec.capacityType === 'spot' &&
  (record.spec.expiresAt === undefined ||
    Date.parse(record.spec.expiresAt) > now ||
    refusalsLeft(record, now) > 0);

interface SpotNow {
  readonly nodes: readonly Node[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Families and zones, 'family/zone', where EC2 scores spot as hard to get. */
  readonly scarce: ReadonlySet<string>;
}

const withReliability = (
  catalogue: Catalogue,
  unavailable: readonly UnavailableOffering[],
  o: SpotNow,
): Catalogue => {
  const records = unavailable.filter((each) => stillCounts(each, o.now)).map(lasting);
  if (records.length === 0 && o.scarce.size === 0) return catalogue;
  const isReliable = availabilityCheck(records, zoneIdsOf(catalogue, o.nodes), o.now);
  const isScarce = (offering: Offering, type: InstanceType): boolean =>
    offering.capacityType === 'spot' && o.scarce.has(`${instanceFamily(type.name)}/${offering.zone}`);
  return mapOfferings(catalogue, (offering, type) =>
    isReliable({ ...offering, instanceType: type.name }) && !isScarce(offering, type)
      ? offering
      : { ...offering, isLessReliable: true },
  );
};

/**
 * The catalogue as the policy on spot has it bought: with `leastInterrupted` what was refused or taken back lately, or is hard
 * to get, is marked, and diversity says how much dearer a machine of another spot pool may be.
 */
export const withSpotPolicy = (
  catalogue: Catalogue,
  policy: Policies['spotInstances'],
  unavailable: readonly UnavailableOffering[],
  o: SpotNow,
): Catalogue => {
  if (!policy) return catalogue;
  const { diversity, interruptionTolerance } = policy;
  const marked =
    interruptionTolerance === 'leastInterrupted' ? withReliability(catalogue, unavailable, o) : catalogue;
  return diversity ? { ...marked, spotDiversityPercent: diversity.priceIncreaseLimitPercent } : marked;
};
