import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import { controllerOf, hasEnded, podName } from '../../api/pods.ts';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { regionOfZone } from '../../planner/model/machinelabels.ts';
import { overlaysNotInForce } from '../../planner/model/offers/nodeoverlay.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { isOfFargate, regionOfNode, zoneOf } from '../../planner/model/standingmachine.ts';
import { isPodOf } from '../../planner/scheduling/daemonpods.ts';
import { UsageError } from '../flags.ts';
import { listed as listedNames } from '../report/listed.ts';
import { steeringPrices } from '../report/steering.ts';

const MOST_NAMED = 5;

/** Names in a sentence, the first few of many. */
const listed = (names: readonly string[]): string => listedNames(names, MOST_NAMED);

/** Nodes that pods run on and that nobody described. */
const unknownNodes = ({ nodes, pods }: Snapshot): readonly string[] => {
  const known = new Set(nodes.map(({ metadata }) => metadata.name));
  const strays = pods.filter((pod) => pod.spec.nodeName && !known.has(pod.spec.nodeName) && !hasEnded(pod));
  if (strays.length === 0) return [];
  const names = [...new Set(strays.map(({ spec }) => spec.nodeName ?? ''))].sort();
  return [
    `${strays.length === 1 ? `Pod ${podName(strays[0] as (typeof strays)[0])} runs` : `${strays.length} pods run`} on ${names.length === 1 ? 'a node that is' : 'nodes that are'} not in the snapshot (${listed(names)}), which ${names.length === 1 ? 'is' : 'are'} in no sum and no plan: list all nodes, without a selector.`,
  ];
};

/** DaemonSets that are known by their pods alone. */
const unknownDaemonSets = ({ daemonSets, pods }: Snapshot): readonly string[] => {
  const names = new Set<string>();
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'DaemonSet' || daemonSets.some((set) => isPodOf(pod, set))) continue;
    names.add(`${pod.metadata.namespace ?? 'default'}/${owner.name}`);
  }
  if (names.size === 0) return [];
  return [
    `Pods of DaemonSet${names.size === 1 ? '' : 's'} ${listed([...names].sort())} run, and the DaemonSet${names.size === 1 ? ' is' : 's are'} not in the snapshot, so new nodes get no room for them: list daemonsets.`,
  ];
};

/** Karpenter's nodes whose NodeClaims or NodePools are missing. */
const unknownOwners = ({ facts }: Cluster): readonly string[] => {
  const ofKarpenter = facts.filter(({ node }) => node.metadata.labels?.[KARPENTER_NODEPOOL] !== undefined);
  const namesOf = (nodes: typeof facts): string => listed(nodes.map(({ node }) => node.metadata.name));
  const unclaimed = ofKarpenter.filter(({ claim }) => !claim);
  const unpooled = ofKarpenter.filter(({ pool }) => !pool);
  return [
    ...(unclaimed.length > 0
      ? [
          `Karpenter made nodes whose NodeClaims are not in the snapshot (${namesOf(unclaimed)}), so they are left out: list nodeclaims.`,
        ]
      : []),
    ...(unpooled.length > 0
      ? [
          `Nodes carry the names of NodePools that are not in the snapshot (${namesOf(unpooled)}), so they are left out: list nodepools.`,
        ]
      : []),
  ];
};

/** Claims that pods mount and that are missing, so that no place is known for such a pod. */
const unknownVolumes = ({ persistentVolumeClaims, pods }: Snapshot): readonly string[] => {
  const known = new Set(
    persistentVolumeClaims.map(({ metadata }) => `${metadata.namespace ?? 'default'}/${metadata.name}`),
  );
  const lacking = pods.filter(
    (pod) =>
      !hasEnded(pod) &&
      (pod.spec.volumes ?? []).some(
        ({ persistentVolumeClaim: claim }) =>
          claim && !known.has(`${pod.metadata.namespace ?? 'default'}/${claim.claimName}`),
      ),
  );
  if (lacking.length === 0) return [];
  return [
    `Pods mount PersistentVolumeClaims that are not in the snapshot (${listed(lacking.map(podName))}), so they have no place elsewhere: list pvc, pv and storageclasses.`,
  ];
};

/** Nodes without a price: they are in no sum. */
const unpriced = ({ facts }: Cluster): readonly string[] => {
  const nodes = facts.filter(({ price }) => price === undefined).map(({ node }) => node);
  const namesOf = (some: typeof nodes): string[] => some.map(({ metadata }) => metadata.name);
  const fargate = namesOf(nodes.filter(isOfFargate));
  const others = namesOf(nodes.filter((node) => !isOfFargate(node)));
  return [
    ...(others.length > 0
      ? [
          `The price of ${others.length === 1 ? 'a node' : `${others.length} nodes`} is not known (${listed(others)}), so the sums are without ${others.length === 1 ? 'it' : 'them'}: give prices for its type, zone and capacity type by --catalog.`,
        ]
      : []),
    ...(fargate.length > 0
      ? [
          `Fargate bills pods by what they request, so its node${fargate.length === 1 ? '' : 's'} (${listed(fargate)}) ${fargate.length === 1 ? 'is' : 'are'} in no sum: look up their cost in the bill.`,
        ]
      : []),
  ];
};

/** NodeOverlays that Karpenter has not accepted. */
const overlaysWithoutEffect = ({ nodeOverlays = [] }: Snapshot): readonly string[] =>
  overlaysNotInForce(nodeOverlays).map(
    ({ name, reason }) =>
      `NodeOverlay ${name} changes no price and no capacity, since Karpenter has not accepted it (${reason}): look at its status, and whether Karpenter's feature gate NodeOverlay is on.`,
  );

/** What the input leaves unknown, each in a sentence with what to do. */
export const unseenOf = (cluster: Cluster): readonly string[] => [
  ...(cluster.snapshot.notes ?? []),
  ...unknownNodes(cluster.snapshot),
  ...unknownOwners(cluster),
  ...unknownDaemonSets(cluster.snapshot),
  ...unknownVolumes(cluster.snapshot),
  ...overlaysWithoutEffect(cluster.snapshot),
  ...steeringPrices(cluster),
  ...unpriced(cluster),
];

const regionOf = (zone: string): string => regionOfZone(zone) ?? zone;

/** Throws a UsageError where catalogue and nodes have neither a zone nor a region in common. */
export const checkRegions = ({ nodes }: Pick<Snapshot, 'nodes'>, { instanceTypes }: Catalogue): void => {
  const sold = new Set<string>();
  for (const { offerings } of instanceTypes) for (const { zone } of offerings) sold.add(zone);
  const standing = nodes.flatMap((node) => {
    const zone = zoneOf(node);
    const region = regionOfNode(node) ?? (zone === undefined ? undefined : regionOf(zone));
    return region === undefined ? [] : [{ zone, region }];
  });
  if (standing.length === 0 || sold.size === 0) return;
  const regions = new Set([...sold].map(regionOf));
  if (standing.some(({ zone, region }) => sold.has(zone ?? '') || regions.has(region))) return;
  const where = [...new Set(standing.map(({ region }) => region))].sort();
  throw new UsageError(
    `The catalogue has prices of ${listed([...regions].sort())} and the nodes are in ${listed(where)}, so no price fits: give the price list of ${where[0]} by --catalog, or leave --catalog out.`,
  );
};
