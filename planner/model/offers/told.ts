import { INSTANCE_TYPE, REGION, ZONE, ZONE_ID } from '../../../api/labels.ts';
import type { Node, NodeClassObject } from '../../../api/objects.ts';
import { putAt, valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType, Offering } from '../catalogue.ts';
import { isMachineKey, regionOfZone } from '../machinelabels.ts';

/** The first value of a label that nodes tell for each value of another one. */
const mapOf = (nodes: readonly Node[], from: string, to: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const { metadata } of nodes) {
    const key = valueAt(metadata.labels, from);
    const value = valueAt(metadata.labels, to);
    if (key !== undefined && value !== undefined && !found.has(key)) found.set(key, value);
  }
  return found;
};

type Labels = Readonly<Record<string, string>>;

/** Labels of a machine's type that only nodes tell, per type. */
const labelsByType = (nodes: readonly Node[], keys: ReadonlySet<string>): ReadonlyMap<string, Labels> => {
  const found = new Map<string, Record<string, string>>();
  for (const { metadata } of nodes) {
    const type = valueAt(metadata.labels, INSTANCE_TYPE);
    if (type === undefined) continue;
    for (const key in metadata.labels) {
      if (!isMachineKey(key) || keys.has(key)) continue;
      const labels = found.get(type) ?? {};
      found.set(type, labels);
      putAt(labels, key, valueAt(metadata.labels, key) ?? '');
    }
  }
  return found;
};

/** Zone → zone id where a class launches machines; undefined when it launches them everywhere. */
export type ClassZones = ReadonlyMap<string, string | undefined> | undefined;

export const zonesOf = (nodeClass: NodeClassObject | undefined): ClassZones => {
  const subnets = nodeClass?.status?.subnets;
  return (
    subnets &&
    new Map(subnets.flatMap(({ zone, zoneID }) => (zone === undefined ? [] : [[zone, zoneID] as const])))
  );
};

const textOf = (facts: ReadonlyMap<string, unknown>): string =>
  facts.size > 0 ? JSON.stringify([...facts].sort()) : '';

/** What nodes and NodeClasses tell of machines that a catalogue leaves out: labels of types, ids and regions of zones. */
export class ToldFacts {
  readonly #labels: ReadonlyMap<string, Labels>;
  readonly #zoneIds: ReadonlyMap<string, string>;
  readonly #regions: ReadonlyMap<string, string>;
  /** Equal texts tell the same of labels and zone ids; empty where nodes tell nothing of them. */
  readonly text: string;
  /** Equal texts tell the same regions. */
  readonly regionText: string;

  /** `keys` are the labels that the catalogue gives. */
  constructor(nodes: readonly Node[], keys: ReadonlySet<string>) {
    this.#labels = labelsByType(nodes, keys);
    this.#zoneIds = mapOf(nodes, ZONE, ZONE_ID);
    this.#regions = mapOf(nodes, ZONE, REGION);
    this.regionText = textOf(this.#regions);
    const labels = textOf(this.#labels);
    const zoneIds = textOf(this.#zoneIds);
    this.text = labels || zoneIds ? JSON.stringify([labels, zoneIds]) : '';
  }

  /** The region of a zone, by nodes or by the zone's name. */
  regionOf(zone: string): string | undefined {
    return this.#regions.get(zone) ?? regionOfZone(zone);
  }

  type(type: InstanceType): InstanceType {
    const own = this.#labels.get(type.name);
    return own ? { ...type, labels: { ...own, ...type.labels } } : type;
  }

  offering(offering: Offering, zones: ClassZones): Offering {
    const zoneId = offering.zoneId ?? zones?.get(offering.zone) ?? this.#zoneIds.get(offering.zone);
    return zoneId === undefined || zoneId === offering.zoneId ? offering : { ...offering, zoneId };
  }
}
