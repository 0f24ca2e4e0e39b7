import { CAPACITY_RESERVATION_ID } from '../../../api/labels.ts';
import type { NodeClaim, NodeClassObject } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { CapacityReservation, Catalogue, InstanceType, Offering } from '../catalogue.ts';

/** Capacity reservations as Karpenter counts them, see docs/designs/0059-capacity-reservations.md. */

/** What Karpenter divides an on-demand price by for a reservation, which costs the same whether it is used or not. */
const RESERVED_SHARE = 10_000_000;

/** The price that counts for a machine of a reservation, from the on-demand price of its type. */
export const reservedPrice = (onDemand: number): number => onDemand / RESERVED_SHARE;

/** What the machine of a reservation is sold as outside of it; undefined for one that is in none. */
export const soldOutside = (
  { offerings }: Pick<InstanceType, 'offerings'>,
  zone: string | undefined,
  capacityType: string,
): Offering | undefined =>
  capacityType === 'reserved'
    ? offerings.find((each) => each.zone === zone && each.capacityType === 'on-demand')
    : undefined;

/** Machines that are to be launched into reservations and that nobody has counted there yet, by the reservation's id. */
export type ReservedUnderWay = ReadonlyMap<string, number>;

const reservationsIn = ({ instanceTypes }: Catalogue): readonly CapacityReservation[] =>
  instanceTypes.flatMap(({ offerings }) => offerings.flatMap(({ reservation }) => reservation ?? []));

/** Whether something of a catalogue is sold out of reservations. */
export const hasReservations = ({ instanceTypes }: Catalogue): boolean =>
  instanceTypes.some(({ offerings }) => offerings.some(({ reservation }) => reservation !== undefined));

/** Ids of the reservations that a claim names, by its label once it is launched, else by its requirement. */
const namedBy = ({ metadata, spec }: NodeClaim): readonly string[] => {
  const launched = valueAt(metadata.labels, CAPACITY_RESERVATION_ID);
  if (launched !== undefined) return [launched];
  const named = spec.requirements.find(
    ({ key, operator }) => key === CAPACITY_RESERVATION_ID && operator === 'In',
  );
  return named?.values ?? [];
};

/** Conditions tell whole seconds, and the cloud's answer may lag behind its own launch. */
const COUNTED_AFTER_MS = 5_000;

/** When a claim's machine was launched, in milliseconds since 1970; undefined for one that has none yet. */
const launchedAt = ({ status }: NodeClaim): number | undefined => {
  if (!status?.providerID) return undefined;
  const launched = status.conditions?.find(({ type, status: is }) => type === 'Launched' && is === 'True');
  return Date.parse(launched?.lastTransitionTime ?? '') || 0;
};

/** What of the claims the cloud's counts in the catalogue do not hold: no machine yet, or one launched since they were read. */
export const reservedUnderWay = (catalogue: Catalogue, claims: readonly NodeClaim[]): ReservedUnderWay => {
  const readAt = new Map(reservationsIn(catalogue).map((each) => [each.id, each.readAt ?? 0]));
  const counts = new Map<string, number>();
  if (readAt.size === 0) return counts;
  for (const claim of claims) {
    const at = launchedAt(claim);
    for (const id of namedBy(claim)) {
      const isCounted = at !== undefined && at + COUNTED_AFTER_MS < (readAt.get(id) ?? 0);
      if (!isCounted) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
};

/** Whether machines of a class may be launched into the offering's reservation; true for one that is of none. */
export const isOpenTo = ({ reservation }: Offering, nodeClass: NodeClassObject | undefined): boolean => {
  if (!reservation) return true;
  const usable = nodeClass?.status?.capacityReservations ?? [];
  return usable.some(({ id, state }) => id === reservation.id && state !== 'expiring');
};

/** The offering with what machines under way leave of its reservation. */
export const besideUnderWay = (offering: Offering, underWay: ReservedUnderWay): Offering => {
  const { reservation } = offering;
  const taken = reservation ? (underWay.get(reservation.id) ?? 0) : 0;
  if (!reservation || taken === 0) return offering;
  const left = Math.max(0, reservation.left - taken);
  return { ...offering, available: offering.available && left > 0, reservation: { ...reservation, left } };
};
