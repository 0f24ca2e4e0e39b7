import { ZONE, ZONE_ID } from '../../api/labels.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { regionOfNode, zoneOf as zoneOfNode } from '../../planner/model/standingmachine.ts';
import { UsageError } from '../flags.ts';

type Cluster = Pick<Snapshot, 'nodes' | 'nodePools'>;

const AWS_ID = /^aws:\/\/\/([^/]+)\//;
/** An availability zone is its region and a letter; local zones have more. */
const AWS_ZONE = /^([a-z]{2}(?:-[a-z]+)+-\d)[a-z]$/;

const zoneOf = (node: Cluster['nodes'][number]): string | undefined =>
  zoneOfNode(node) ?? AWS_ID.exec(node.spec?.providerID ?? '')?.[1];

/** Zones that the cluster uses or may use, each with its id where a node shows it. */
export const zonesOf = ({ nodes, nodePools }: Cluster): ReadonlyMap<string, string | undefined> => {
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
export const zonesIn = (region: string, cluster: Cluster): ReadonlyMap<string, string | undefined> =>
  new Map([...zonesOf(cluster)].filter(([zone]) => (AWS_ZONE.exec(zone)?.[1] ?? region) === region));

/** The region of a cluster, from its nodes' labels, zones or machines. Throws a UsageError where there isn't just one. */
export const regionOf = (cluster: Cluster): string => {
  const ofNodes = cluster.nodes.flatMap((node) => regionOfNode(node) ?? []);
  const ofZones = [...zonesOf(cluster).keys()].flatMap((zone) => AWS_ZONE.exec(zone)?.[1] ?? []);
  const regions = [...new Set(ofNodes.length > 0 ? ofNodes : ofZones)].sort();
  const [region, second] = regions;
  if (cluster.nodes.length + cluster.nodePools.length === 0) {
    throw new UsageError(
      'There are no nodes and no NodePools here, so nothing has a price: choose another cluster by --kubeconfig, or another file by --snapshot.',
    );
  }
  if (region === undefined) {
    throw new UsageError(
      'No node or NodePool tells its region, which prices depend on: give --region, or a file of instance types by --catalog.',
    );
  }
  if (second === undefined) return region;
  throw new UsageError(
    `The nodes are in the regions ${regions.join(', ')}: say by --region whose prices count, or give a file of instance types by --catalog.`,
  );
};
