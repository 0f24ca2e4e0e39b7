import { withoutHold } from '../../api/heldpods.ts';
import { KARPENTER_NODEPOOL, KARPENTER_UNREGISTERED_TAINT } from '../../api/labels.ts';
import { healthOf, isAtRisk, isReady } from '../../api/nodes.ts';
import type { DaemonSet, Node, NodePool, Pod } from '../../api/objects.ts';
import { hasEnded } from '../../api/pods.ts';
import { Bill, type Billed } from '../model/billing.ts';
import type { Catalogue, InstanceType, Offering, ShiftedZone } from '../model/catalogue.ts';
import type { CountedPrices } from '../model/offers/countedprices.ts';
import { soldOutside } from '../model/offers/reservations.ts';
import { shiftOf } from '../model/offers/zonalshift.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { capacityTypeOf, osOf, typeOf, zoneOf } from '../model/standingmachine.ts';
import { type Supply, supplyOf } from '../model/supply.ts';
import { effectiveDaemonSets } from '../scheduling/daemonpods.ts';
import { daemonRequests, missingDaemonSets } from '../scheduling/daemonset.ts';
import type { NamespaceLabels } from '../scheduling/interpodaffinity.ts';
import { type NodeInfo, nodeInfoOf } from '../scheduling/nodeinfo.ts';
import { type Volumes, volumesOf } from '../scheduling/volumes.ts';
import type { StateNode } from './candidate.ts';
import { asStarted, isStarting } from './startingnodes.ts';

/** A snapshot in order: each node with its NodeClaim, NodePool, pods and price. */
export interface Cluster {
  readonly snapshot: Snapshot;
  readonly facts: readonly StateNode[];
  /** The nodes with what is free on them; those that start as they will be. */
  readonly views: readonly NodeInfo[];
  readonly namespaces: NamespaceLabels;
  readonly volumes: Volumes;
  /** What can be bought for each NodePool. */
  readonly supply: Supply;
  /** Pods without a node that are not being deleted. */
  readonly pending: readonly Pod[];
  /** Zones that no pod is moved into. */
  readonly shiftedZones: readonly ShiftedZone[];
}

/**
 * The offering that a node was bought as, by its labels, at the price that Karpenter counts for its NodePool, and what a
 * reserved machine costs outside of its reservation; a node of no NodePool that is known has its cloud's prices.
 */
const offeringOf = (
  node: Node,
  pool: NodePool | undefined,
  types: ReturnType<typeof indexTypes>,
  prices: CountedPrices,
): { readonly bought: Offering | undefined; readonly outside: Offering | undefined } => {
  const os = osOf(node);
  const zone = zoneOf(node);
  const capacityType = capacityTypeOf(node);
  const type = types.get(typeOf(node))?.find((each) => each.os.includes(os));
  const found = type?.offerings.find((each) => each.zone === zone && each.capacityType === capacityType);
  const counted = (offering: Offering | undefined): Offering | undefined =>
    type && offering && pool ? prices.offering(type, offering, pool) : offering;
  return { bought: counted(found), outside: counted(type && soldOutside(type, zone, capacityType)) };
};

// A landed pod that is not bound yet keeps its node.
const withoutOurHold = (pod: Pod): Pod => (pod.spec.nodeName ? withoutHold(pod) : pod);

/** Types by name; a name has several where they differ by operating system. */
export const indexTypes = (catalogue: Catalogue): ReadonlyMap<string, readonly InstanceType[]> =>
  Map.groupBy(catalogue.instanceTypes, ({ name }) => name);

/** The node with room kept for pods of DaemonSets that are still to come to it, as far as it has that room. */
const withRoomForDaemons = (view: NodeInfo, daemonSets: readonly DaemonSet[]): NodeInfo => {
  const missing = missingDaemonSets(daemonSets, view, []);
  if (missing.length === 0) return view;
  const free = new Map(view.free);
  for (const [resource, value] of daemonRequests(missing)) {
    const left = free.get(resource) ?? 0;
    free.set(resource, Math.min(left, Math.max(0, left - value)));
  }
  return { ...view, free };
};

/**
 * Builds the view of a snapshot; throws a QuantityError. Held pods lose the affinity to their node, as their controller
 * creates the next pod without it.
 */
export const clusterOf = (original: Snapshot, catalogue: Catalogue): Cluster => {
  const pods = original.pods.map(withoutOurHold);
  const snapshot: Snapshot = { ...original, pods, daemonSets: effectiveDaemonSets(original) };
  const podsOn = new Map<string, Pod[]>();
  const pending: Pod[] = [];
  for (const pod of snapshot.pods) {
    if (hasEnded(pod)) continue;
    const node = pod.spec.nodeName;
    if (!node) {
      if (pod.metadata.deletionTimestamp === undefined) pending.push(pod);
      continue;
    }
    const pods = podsOn.get(node);
    if (pods) pods.push(pod);
    else podsOn.set(node, [pod]);
  }
  const claims = new Map(
    snapshot.nodeClaims.flatMap((claim) => (claim.status?.nodeName ? [[claim.status.nodeName, claim]] : [])),
  );
  const byProvider = new Map(
    snapshot.nodeClaims.flatMap((claim) =>
      claim.status?.providerID ? [[claim.status.providerID, claim]] : [],
    ),
  );
  const pools = new Map(snapshot.nodePools.map((pool) => [pool.metadata.name, pool]));
  const types = indexTypes(catalogue);
  const supply = supplyOf(catalogue, snapshot);
  const facts = snapshot.nodes.map((node): StateNode => {
    const claim = claims.get(node.metadata.name) ?? byProvider.get(node.spec?.providerID ?? '');
    const poolName =
      claim?.metadata.labels?.[KARPENTER_NODEPOOL] ?? node.metadata.labels?.[KARPENTER_NODEPOOL];
    const pool = pools.get(poolName ?? '');
    const { bought, outside } = offeringOf(node, pool, types, supply.prices);
    return {
      node,
      claim,
      pool,
      pods: podsOn.get(node.metadata.name) ?? [],
      price: bought?.price,
      ...(outside && { unreserved: outside.price }),
      covered: bought?.covered,
      shift: shiftOf(node, catalogue.shiftedZones),
    };
  });
  return {
    snapshot,
    facts,
    views: facts.map(({ node, claim, pods }) => {
      const seen = claim && isStarting({ node, claim }) ? asStarted(node, claim) : node;
      return withRoomForDaemons(nodeInfoOf(seen, pods), snapshot.daemonSets);
    }),
    namespaces: new Map(
      snapshot.namespaces.map((namespace) => [namespace.metadata.name, namespace.metadata.labels ?? {}]),
    ),
    volumes: volumesOf(snapshot),
    supply,
    pending,
    shiftedZones: catalogue.shiftedZones ?? [],
  };
};

/** A node as a bill counts it; an unknown price counts as 0. */
export const billedOf = ({ price, covered }: StateNode): Billed => ({
  price: price ?? 0,
  ...(covered && { covered }),
});

/** The bill of the cluster's nodes. */
export const billOf = (catalogue: Catalogue, facts: readonly StateNode[]): Bill =>
  new Bill(catalogue.commitments ?? [], facts.map(billedOf));

/**
 * Whether pods may come to an existing node: ready and healthy, not cordoned, not being removed or at risk of it, and in
 * no zone that is shifted away.
 */
export const acceptsPods = ({ node, claim, shift }: Pick<StateNode, 'node' | 'claim' | 'shift'>): boolean => {
  return (
    shift === undefined &&
    claim?.metadata.deletionTimestamp === undefined &&
    node.metadata.deletionTimestamp === undefined &&
    node.spec?.unschedulable !== true &&
    isReady(node) &&
    healthOf(node).kind !== 'sick' &&
    !isAtRisk(node) &&
    !(node.spec?.taints ?? []).some((taint) => taint.key === KARPENTER_UNREGISTERED_TAINT)
  );
};

/** Per label key, the values that pods select; a NodePool that leaves the label open may be given one of them. */
export const selectedLabelValues = (pods: readonly Pod[]): ReadonlyMap<string, ReadonlySet<string>> => {
  const selected = new Map<string, Set<string>>();
  const add = (key: string, value: string): void => {
    const values = selected.get(key);
    if (values) values.add(value);
    else selected.set(key, new Set([value]));
  };
  for (const pod of pods) {
    for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) add(key, value);
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    for (const term of required?.nodeSelectorTerms ?? []) {
      for (const requirement of term.matchExpressions ?? []) {
        if (requirement.operator === 'In')
          for (const value of requirement.values ?? []) add(requirement.key, value);
      }
    }
  }
  return selected;
};
