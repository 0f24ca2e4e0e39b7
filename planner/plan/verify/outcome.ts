import { withoutHold } from '../../../api/heldpods.ts';
import type { NodeClaimToAdd, PodToMigrate, RebalancePlanSpec } from '../../../api/kinds/rebalanceplan.ts';
import { healthOf, isReady } from '../../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { hasEnded, isReschedulable, podName } from '../../../api/pods.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { noMoveReason } from '../../scheduling/destination.ts';
import { claimedDevicesOfPending, claimedDevicesOn } from '../../scheduling/resourceclaims.ts';
import type { PlanFault } from './fault.ts';

/** Reads the devices that claims give a pod, on its node or where it may come to. */
const claimedDevicesIn = ({ nodes, deviceClasses = [] }: Snapshot): ((pod: Pod) => string | undefined) => {
  const nodeOf = new Map(nodes.map((node) => [node.metadata.name, node]));
  const ofPending = claimedDevicesOfPending(deviceClasses, nodes);
  return (pod) => {
    const node = nodeOf.get(pod.spec.nodeName ?? '');
    return node ? claimedDevicesOn(node, pod) : ofPending(pod);
  };
};

/** A node after the plan: one that stays, or a planned claim. */
export interface Place {
  /** Name of the node, or of the planned claim. */
  readonly name: string;
  readonly node: Node | undefined;
  readonly planned: NodeClaimToAdd | undefined;
  /** All pods on it, the arrivals included. */
  readonly pods: Pod[];
  /** Pods that the plan brings. */
  readonly arrivals: Pod[];
}

/** The cluster after the plan. */
export interface Outcome {
  readonly places: readonly Place[];
  readonly faults: readonly PlanFault[];
}

/** Claim name → node name: by the claim's status, else by the provider ID that node and claim share. */
export const nodesOfClaims = ({ nodes, nodeClaims }: Snapshot): ReadonlyMap<string, string> => {
  const byProvider = new Map(
    nodes.flatMap((node) => (node.spec?.providerID ? [[node.spec.providerID, node.metadata.name]] : [])),
  );
  return new Map(
    nodeClaims.flatMap(({ metadata, status }) => {
      const node = status?.nodeName || byProvider.get(status?.providerID ?? '');
      return node ? [[metadata.name, node] as const] : [];
    }),
  );
};

/** A destination of the plan: the place itself, or why there is none. */
interface Destination {
  /** As sentences name it. */
  readonly name: string;
  /** The NodeClaim that the plan names. */
  readonly claim?: string;
  readonly place?: Place | undefined;
  readonly why?: string;
}

/** Finds what a move names: a NodeClaim that is added or stays, or the name of a node that has none. */
const destinationIn = (o: {
  readonly added: ReadonlyMap<string, Place>;
  readonly kept: ReadonlyMap<string, Place>;
  readonly removed: ReadonlySet<string>;
  readonly nodeOfClaim: ReadonlyMap<string, string>;
}): ((move: PodToMigrate) => Destination) => {
  const claimOfNode = new Map([...o.nodeOfClaim].map(([owner, node]) => [node, owner]));
  return ({ dstNodeClaimName: claim, dstNodeName, dstNodeUID }) => {
    if (claim === undefined) {
      const name = `node ${dstNodeName}`;
      if (dstNodeName === undefined) return { name: 'no destination', why: 'which has no node' };
      const owner = claimOfNode.get(dstNodeName);
      if (owner !== undefined) return { name, why: `which has NodeClaim ${owner}, by which a plan names it` };
      const place = o.kept.get(dstNodeName);
      if (!place) return { name, why: 'which is not in the cluster' };
      const isOther = dstNodeUID !== undefined && place.node?.metadata.uid !== dstNodeUID;
      return isOther ? { name, why: 'which is another one of that name by now' } : { name, place };
    }
    const name = `NodeClaim ${claim}`;
    if (dstNodeName !== undefined) return { name, claim, why: `and to node ${dstNodeName}` };
    const node = o.nodeOfClaim.get(claim);
    const place = o.added.get(claim) ?? o.kept.get(node ?? '');
    if (place) return { name, claim, place };
    return { name, claim, why: o.removed.has(node ?? '') ? 'which the plan deletes' : 'which has no node' };
  };
};

/** Why a pod may not come to a node, whatever it tolerates; undefined when it may. `source` is where it runs. */
const closedReason = (
  node: Node,
  claim: NodeClaim | undefined,
  source: Node | undefined,
): string | undefined => {
  if (node.metadata.deletionTimestamp !== undefined) return 'is being deleted';
  if (claim?.metadata.deletionTimestamp !== undefined) return 'has a NodeClaim that is being deleted';
  const health = healthOf(node);
  if (health.kind === 'sick') return `takes no pods: ${health.reason}`;
  if (!isReady(node)) return 'is not ready';
  return source && noMoveReason({ node, claim }, source);
};

/** Applies a plan to a snapshot: the final place of each pod, and the moves that can't be made. */
export const outcomeOf = (snapshot: Snapshot, spec: RebalancePlanSpec): Outcome => {
  const faults: PlanFault[] = [];
  const claims = new Map(snapshot.nodeClaims.map((claim) => [claim.metadata.name, claim]));
  const nodeOfClaim = nodesOfClaims(snapshot);
  const nodes = new Map(snapshot.nodes.map((node) => [node.metadata.name, node]));

  // 1. Removed nodes.
  const removed = new Set<string>();
  const deleted = new Set<string>();
  for (const { nodeClaimName: claim } of spec.nodeClaimsToDelete ?? []) {
    if (!claims.has(claim)) {
      const message = `The plan deletes NodeClaim ${claim}, which is not in the cluster.`;
      faults.push({ rule: 'UnknownNodeClaim', claim, message });
    } else if (deleted.has(claim)) {
      faults.push({
        rule: 'DuplicateNodeClaim',
        claim,
        message: `The plan deletes NodeClaim ${claim} twice.`,
      });
    }
    deleted.add(claim);
    const node = nodeOfClaim.get(claim);
    if (node !== undefined) removed.add(node);
  }

  // 2. Kept nodes, then added ones.
  const kept = new Map<string, Place>();
  for (const node of snapshot.nodes) {
    const { name } = node.metadata;
    if (!removed.has(name)) kept.set(name, { name, node, planned: undefined, pods: [], arrivals: [] });
  }
  const added = new Map<string, Place>();
  for (const planned of spec.nodeClaimsToAdd ?? []) {
    const { name } = planned.metadata;
    if (added.has(name)) {
      faults.push({
        rule: 'DuplicateNodeClaim',
        claim: name,
        message: `The plan adds NodeClaim ${name} twice.`,
      });
      continue;
    }
    added.set(name, { name, node: undefined, planned, pods: [], arrivals: [] });
  }

  // 3. The final place of each pod, without our marks on a bound pod: its controller creates the next one without them.
  const byName = new Map<string, Pod>();
  for (const pod of snapshot.pods) {
    if (!hasEnded(pod)) byName.set(podName(pod), pod.spec.nodeName ? withoutHold(pod) : pod);
  }
  const devicesOf = claimedDevicesIn(snapshot);
  const moved = new Set<string>();
  const destinationOf = destinationIn({ added, kept, removed, nodeOfClaim });
  for (const move of spec.podsToMigrate ?? []) {
    const { namespace, name, srcNode } = move;
    const { place, why, name: to, claim } = destinationOf(move);
    const id = `${namespace}/${name}`;
    const faultOf = (rule: PlanFault['rule'], message: string, node?: string): number =>
      faults.push({
        rule,
        pod: id,
        ...(node !== undefined && { node }),
        ...(claim !== undefined && { claim }),
        message,
      });
    const pod = byName.get(id);
    if (!pod) {
      faultOf('UnknownPod', `The plan moves pod ${id} to ${to}, but no such pod is in the cluster.`);
      continue;
    }
    if (moved.has(id)) {
      faultOf('DuplicatePod', `The plan moves pod ${id} twice, now to ${to}.`);
      continue;
    }
    moved.add(id);
    if ((srcNode ?? '') !== (pod.spec.nodeName ?? '')) {
      const message = `The plan moves pod ${id} from node '${srcNode ?? ''}', but it is on '${pod.spec.nodeName ?? ''}'.`;
      faults.push({ rule: 'SourceNode', pod: id, node: srcNode ?? '', message });
    }
    if (!isReschedulable(pod)) {
      const message = `The plan moves pod ${id} to ${to}, but the pod is being deleted or belongs to its node.`;
      faultOf('PodNotMovable', message);
    }
    const devices = devicesOf(pod);
    if (devices !== undefined) {
      const message = `The plan moves pod ${id} to ${to}, but the pod has ${devices}, and devices of claims are not planned.`;
      faultOf('DynamicResources', message);
    }
    if (!place) {
      faultOf('UnknownDestination', `The plan moves pod ${id} to ${to}, ${why}.`);
      continue;
    }
    const source = pod.spec.nodeName ? nodes.get(pod.spec.nodeName) : undefined;
    const closed = place.node && closedReason(place.node, claims.get(claim ?? ''), source);
    if (closed) {
      const what = claim === undefined ? to : `node ${place.name} of ${to}`;
      faultOf('DestinationNotReady', `The plan moves pod ${id} to ${what}, which ${closed}.`, place.name);
    }
    place.pods.push(pod);
    place.arrivals.push(pod);
  }
  for (const [id, pod] of byName) {
    const node = pod.spec.nodeName;
    if (!node || moved.has(id)) continue;
    if (!removed.has(node)) kept.get(node)?.pods.push(pod);
    else if (isReschedulable(pod)) {
      const message = `Pod ${id} is left on node ${node}, which the plan removes.`;
      faults.push({ rule: 'PodLeftBehind', pod: id, node, message });
    }
  }
  return { places: [...kept.values(), ...added.values()], faults };
};
