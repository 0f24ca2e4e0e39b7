import { withoutHold } from '../../api/heldpods.ts';
import {
  INSTANCE_TYPE,
  KARPENTER_DISRUPTED_TAINT,
  KARPENTER_NODEPOOL,
  KARPENTER_UNREGISTERED_TAINT,
  ZONE,
} from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { hasEnded } from '../../api/pods.ts';
import { Bill, type Billed } from '../model/billing.ts';
import type { Catalogue, Offering } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { NamespaceLabels } from '../scheduling/interpodaffinity.ts';
import { type NodeInfo, nodeInfoOf } from '../scheduling/nodeinfo.ts';
import { type Volumes, volumesOf } from '../scheduling/volumes.ts';
import { capacityTypeOf, type StateNode } from './candidate.ts';

/** A snapshot put in order: each node with its claim, pool, pods and price. */
export interface Cluster {
  readonly snapshot: Snapshot;
  readonly facts: readonly StateNode[];
  readonly views: readonly NodeInfo[];
  readonly namespaces: NamespaceLabels;
  readonly volumes: Volumes;
  /** Pods that no node has yet. */
  readonly pending: readonly Pod[];
}

/** How the catalogue sells a node, by its labels; undefined when it does not. */
const offeringOf = (node: Node, types: ReturnType<typeof indexTypes>): Offering | undefined => {
  const labels = node.metadata.labels ?? {};
  return types
    .get(labels[INSTANCE_TYPE] ?? '')
    ?.offerings.find((each) => each.zone === labels[ZONE] && each.capacityType === capacityTypeOf(node));
};

/** USD per hour of a node, by its labels; undefined when the catalogue does not sell it. */
export const priceOf = (
  node: Node,
  catalogue: Catalogue,
  types = indexTypes(catalogue),
): number | undefined => offeringOf(node, types)?.price;

// A pod that still waits for the node it is tied to has its place already.
const withoutOurHold = (pod: Pod): Pod => (pod.spec.nodeName ? withoutHold(pod) : pod);

export const indexTypes = (catalogue: Catalogue) =>
  new Map(catalogue.instanceTypes.map((type) => [type.name, type]));

/**
 * Puts a snapshot in order. A pod that was held for its node may go elsewhere next time: its controller makes the next
 * one without what we put on it. Throws a QuantityError.
 */
export const clusterOf = (given: Snapshot, catalogue: Catalogue): Cluster => {
  const snapshot: Snapshot = { ...given, pods: given.pods.map(withoutOurHold) };
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
  const facts = snapshot.nodes.map((node): StateNode => {
    const claim = claims.get(node.metadata.name) ?? byProvider.get(node.spec?.providerID ?? '');
    const poolName =
      claim?.metadata.labels?.[KARPENTER_NODEPOOL] ?? node.metadata.labels?.[KARPENTER_NODEPOOL];
    const offering = offeringOf(node, types);
    return {
      node,
      claim,
      pool: pools.get(poolName ?? ''),
      pods: podsOn.get(node.metadata.name) ?? [],
      price: offering?.price,
      covered: offering?.covered,
    };
  });
  return {
    snapshot,
    facts,
    views: facts.map((each) => nodeInfoOf(each.node, each.pods)),
    namespaces: new Map(snapshot.namespaces.map((each) => [each.metadata.name, each.metadata.labels ?? {}])),
    volumes: volumesOf(snapshot),
    pending,
  };
};

/** A node as a bill sees it; one whose price is not known costs nothing. */
export const billedOf = ({ price, covered }: StateNode): Billed => ({
  price: price ?? 0,
  ...(covered && { covered }),
});

/** What nodes of the cluster cost together, in USD per hour. */
export const billOf = (catalogue: Catalogue, facts: readonly StateNode[]): Bill =>
  new Bill(catalogue.commitments ?? [], facts.map(billedOf));

/** Whether pods may be planned onto a standing node: Karpenter's, ready, not cordoned, not on its way out. */
export const acceptsPods = (facts: StateNode): boolean => {
  const { node, claim } = facts;
  return (
    claim !== undefined &&
    claim.metadata.deletionTimestamp === undefined &&
    node.metadata.deletionTimestamp === undefined &&
    node.spec?.unschedulable !== true &&
    isReady(node) &&
    !(node.spec?.taints ?? []).some(
      (taint) => taint.key === KARPENTER_DISRUPTED_TAINT || taint.key === KARPENTER_UNREGISTERED_TAINT,
    )
  );
};

/** Per label key, the values that pods select: what open labels of a NodePool may be given. */
export const selectedLabelValues = (pods: readonly Pod[]): ReadonlyMap<string, ReadonlySet<string>> => {
  const asked = new Map<string, Set<string>>();
  const ask = (key: string, value: string): void => {
    const values = asked.get(key);
    if (values) values.add(value);
    else asked.set(key, new Set([value]));
  };
  for (const pod of pods) {
    for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) ask(key, value);
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    for (const term of required?.nodeSelectorTerms ?? []) {
      for (const each of term.matchExpressions ?? []) {
        if (each.operator === 'In') for (const value of each.values ?? []) ask(each.key, value);
      }
    }
  }
  return asked;
};
