import { withoutHold } from '../../../api/heldpods.ts';
import type { NodeClaimToAdd, RebalancePlanSpec } from '../../../api/kinds/rebalanceplan.ts';
import { healthOf, isReady } from '../../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { hasEnded, isReschedulable, podName } from '../../../api/pods.ts';
import type { Snapshot } from '../../model/snapshot.ts';
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

/** Why no pod may come to a node, whatever it tolerates; undefined when pods may. */
const closedReason = (node: Node, claim: NodeClaim | undefined): string | undefined => {
  if (node.metadata.deletionTimestamp !== undefined) return 'is being deleted';
  if (claim?.metadata.deletionTimestamp !== undefined) return 'has a NodeClaim that is being deleted';
  const health = healthOf(node);
  if (health.kind === 'sick') return `takes no pods: ${health.reason}`;
  return isReady(node) ? undefined : 'is not ready';
};

/** Applies a plan to a snapshot: the final place of each pod, and the moves that can't be made. */
export const outcomeOf = (snapshot: Snapshot, spec: RebalancePlanSpec): Outcome => {
  const faults: PlanFault[] = [];
  const claims = new Map(snapshot.nodeClaims.map((claim) => [claim.metadata.name, claim]));
  const nodeOfClaim = nodesOfClaims(snapshot);

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
  for (const { namespace, name, srcNode, dstNodeClaimName: claim } of spec.podsToMigrate ?? []) {
    const id = `${namespace}/${name}`;
    const pod = byName.get(id);
    if (!pod) {
      const message = `The plan moves pod ${id} to NodeClaim ${claim}, but no such pod is in the cluster.`;
      faults.push({ rule: 'UnknownPod', pod: id, claim, message });
      continue;
    }
    if (moved.has(id)) {
      faults.push({
        rule: 'DuplicatePod',
        pod: id,
        claim,
        message: `The plan moves pod ${id} twice, now to NodeClaim ${claim}.`,
      });
      continue;
    }
    moved.add(id);
    if ((srcNode ?? '') !== (pod.spec.nodeName ?? '')) {
      const message = `The plan moves pod ${id} from node '${srcNode ?? ''}', but it is on '${pod.spec.nodeName ?? ''}'.`;
      faults.push({ rule: 'SourceNode', pod: id, node: srcNode ?? '', message });
    }
    if (!isReschedulable(pod)) {
      const message = `The plan moves pod ${id} to NodeClaim ${claim}, but the pod is being deleted or belongs to its node.`;
      faults.push({ rule: 'PodNotMovable', pod: id, claim, message });
    }
    const devices = devicesOf(pod);
    if (devices !== undefined) {
      const message = `The plan moves pod ${id} to NodeClaim ${claim}, but the pod has ${devices}, and devices of claims are not planned.`;
      faults.push({ rule: 'DynamicResources', pod: id, claim, message });
    }
    const node = nodeOfClaim.get(claim);
    const place = added.get(claim) ?? kept.get(node ?? '');
    if (!place) {
      const why = node !== undefined && removed.has(node) ? 'which the plan deletes' : 'which has no node';
      const message = `The plan moves pod ${id} to NodeClaim ${claim}, ${why}.`;
      faults.push({ rule: 'UnknownDestination', pod: id, claim, message });
      continue;
    }
    const closed = place.node && closedReason(place.node, claims.get(claim));
    if (closed) {
      const message = `The plan moves pod ${id} to node ${place.name} of NodeClaim ${claim}, which ${closed}.`;
      faults.push({ rule: 'DestinationNotReady', pod: id, node: place.name, claim, message });
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
