import { ZONE, ZONE_ID } from '../../api/labels.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { zoneOf as zoneOfNode } from '../../planner/model/standingmachine.ts';
import type { KnownZones } from './listprices.ts';

type Cluster = Pick<Snapshot, 'nodes' | 'nodePools'>;

const AWS_ID = /^aws:\/\/\/([^/]+)\//;
/** An availability zone is its region and a letter; local zones have more. */
const AWS_ZONE = /^([a-z]{2}(?:-[a-z]+)+-\d)[a-z]$/;

/** The region of an availability zone, by its name; undefined where the name does not tell. */
export const regionOfZoneName = (zone: string): string | undefined => AWS_ZONE.exec(zone)?.[1];

const zoneOf = (node: Cluster['nodes'][number]): string | undefined =>
  zoneOfNode(node) ?? AWS_ID.exec(node.spec?.providerID ?? '')?.[1];

/** Zones that the cluster uses or may use, each with its id where a node shows it. */
export const zonesOf = ({ nodes, nodePools }: Cluster): KnownZones => {
  const zones = new Map<string, string | undefined>();
  for (const node of nodes) {
    const zone = zoneOf(node);
    if (zone) zones.set(zone, node.metadata.labels?.[ZONE_ID] ?? zones.get(zone));
  }
  for (const { spec } of nodePools) {
    for (const { key, operator, values = [] } of spec.template.spec.requirements ?? []) {
      if (key !== ZONE || operator !== 'In') continue;
      for (const zone of values) if (!zones.has(zone)) zones.set(zone, undefined);
    }
  }
  return zones;
};

/** The zones of a cluster that are in a region, as far as their names tell. */
export const zonesIn = (region: string, cluster: Cluster): KnownZones =>
  new Map([...zonesOf(cluster)].filter(([zone]) => (regionOfZoneName(zone) ?? region) === region));
