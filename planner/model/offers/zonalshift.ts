import type { Node } from '../../../api/objects.ts';
import { timeText } from '../../../api/text/time.ts';
import { type Catalogue, type ShiftedZone, sellingOnly } from '../catalogue.ts';
import { zoneOf } from '../standingmachine.ts';
import type { ZoneIds } from './zoneids.ts';

/** The zones that are shifted away, with their names; a zone that nobody names is none of the cluster's. */
export const shiftedZonesOf = (
  shifts: readonly Omit<ShiftedZone, 'zone'>[],
  zoneIds: ZoneIds,
): readonly ShiftedZone[] =>
  shifts.flatMap((shift) =>
    [...zoneIds].flatMap(([zone, zoneId]) => (zoneId === shift.zoneId ? [{ zone, ...shift }] : [])),
  );

/** The catalogue in which nothing can be bought in these zones; prices of what stands there stay. */
export const awayFromZones = (catalogue: Catalogue, shiftedZones: readonly ShiftedZone[]): Catalogue => {
  if (shiftedZones.length === 0) return catalogue;
  const shifted = new Set(shiftedZones.map(({ zone }) => zone));
  return { ...sellingOnly(catalogue, ({ zone }) => !shifted.has(zone)), shiftedZones };
};

/** The shift of a node's zone, if there is one. */
export const shiftOf = (
  node: Node,
  shiftedZones: readonly ShiftedZone[] | undefined,
): ShiftedZone | undefined => {
  const zone = zoneOf(node);
  return shiftedZones?.find((each) => each.zone === zone);
};

/** A shift as a clause: 'zone us-east-1a (use1-az2) is shifted away until 2026-12-01T10:00:00Z'. */
export const shiftText = ({ zone, zoneId, until }: ShiftedZone): string => {
  const end = until === undefined ? 'until further notice' : `until ${timeText(until)}`;
  return `zone ${zone} (${zoneId}) is shifted away ${end}`;
};

/** What a shift means for plans, as a sentence. */
export const shiftSentence = (shift: ShiftedZone): string => {
  const text = shiftText(shift);
  return `${text[0]?.toUpperCase()}${text.slice(1)}: nothing is bought in it, no pod is moved into it, and its nodes stay as they are.`;
};
