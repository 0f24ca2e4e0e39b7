import { regionOfZoneName, zonesOf } from '../../cloud/aws/zonesinuse.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { regionOfNode } from '../../planner/model/standingmachine.ts';
import { UsageError } from '../flags.ts';

type Cluster = Pick<Snapshot, 'nodes' | 'nodePools'>;

/** The region of a cluster, from its nodes' labels, zones or machines. Throws a UsageError where there isn't just one. */
export const regionOf = (cluster: Cluster): string => {
  const ofNodes = cluster.nodes.flatMap((node) => regionOfNode(node) ?? []);
  const ofZones = [...zonesOf(cluster).keys()].flatMap((zone) => regionOfZoneName(zone) ?? []);
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
