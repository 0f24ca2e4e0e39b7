import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import type { Node } from '../../api/objects.ts';
import { type Catalogue, sellingOnly } from '../../planner/model/catalogue.ts';
import { type ZoneIds, zoneIdsOf } from '../../planner/model/offers/zoneids.ts';

/** An offering as UnavailableOfferings name it; without a zone or a reservation it stands for every one. */
interface NamedOffering {
  readonly instanceType: string;
  readonly capacityType: string;
  readonly zone?: string;
  readonly reservation?: { readonly id: string };
}

/**
 * Tells whether no unexpired UnavailableOffering covers an offering. A record without zone and zoneId covers every zone,
 * one with a zoneId the zone that is known to have it, one without a reservation every reservation. `now` in milliseconds
 * since 1970.
 */
export const availabilityCheck = (
  unavailable: readonly UnavailableOffering[],
  zoneIds: ZoneIds,
  now: number,
): ((offering: NamedOffering) => boolean) => {
  const current = new Map<string, UnavailableOffering['spec'][]>();
  for (const { spec } of unavailable) {
    if (spec.expiresAt !== undefined && !(Date.parse(spec.expiresAt) > now)) continue;
    const key = `${spec.instanceType}/${spec.capacityType}`;
    current.set(key, [...(current.get(key) ?? []), spec]);
  }
  return ({ instanceType, capacityType, zone, reservation }) =>
    !current.get(`${instanceType}/${capacityType}`)?.some((spec) => {
      if (spec.capacityReservationId !== undefined && spec.capacityReservationId !== reservation?.id)
        return false;
      if (spec.zone === undefined && spec.zoneId === undefined) return true;
      if (zone === undefined) return false;
      return (
        (spec.zone === undefined || spec.zone === zone) &&
        (spec.zoneId === undefined || spec.zoneId === zoneIds.get(zone))
      );
    });
};

/** The catalogue with the offerings of unexpired UnavailableOfferings marked unavailable. `now` in milliseconds. */
export const withoutUnavailable = (
  catalogue: Catalogue,
  unavailable: readonly UnavailableOffering[],
  o: { readonly nodes: readonly Node[]; readonly now: number },
): Catalogue => {
  if (unavailable.length === 0) return catalogue;
  const isAvailable = availabilityCheck(unavailable, zoneIdsOf(catalogue, o.nodes), o.now);
  return sellingOnly(catalogue, (offering, type) => isAvailable({ ...offering, instanceType: type.name }));
};
