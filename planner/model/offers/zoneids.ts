import { ZONE, ZONE_ID } from '../../../api/labels.ts';
import type { Node } from '../../../api/objects.ts';
import type { Catalogue } from '../catalogue.ts';

/** Ids of zones, by zone. */
export type ZoneIds = ReadonlyMap<string, string>;

/** The ids of zones, from the catalogue and from the labels of nodes: a catalogue that comes from a file has none. */
export const zoneIdsOf = (catalogue: Catalogue, nodes: readonly Node[]): ZoneIds => {
  const ids = new Map<string, string>();
  for (const { metadata } of nodes) {
    const zone = metadata.labels?.[ZONE];
    const id = metadata.labels?.[ZONE_ID];
    if (zone !== undefined && id !== undefined) ids.set(zone, id);
  }
  for (const { offerings } of catalogue.instanceTypes) {
    for (const { zone, zoneId } of offerings) if (zoneId !== undefined) ids.set(zone, zoneId);
  }
  return ids;
};
