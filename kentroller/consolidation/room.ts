import { REMOVAL_TAINT } from '../../api/labels.ts';
import { taintsWithout } from '../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import { isReschedulable } from '../../api/pods.ts';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import { isLeaving } from '../../planner/cluster/waitingpods.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { withRoomKept } from '../../planner/roomforwaiting.ts';

/** Nothing is bought here, so no price is needed. */
const NO_CATALOGUE = { instanceTypes: [] };

const leaving = <T extends Node | NodeClaim>(object: T): T => ({
  ...object,
  metadata: { ...object.metadata, deletionTimestamp: '1970-01-01T00:00:00Z' },
});

/** The node as it would be if it stayed. */
const opened = (node: Node): Node => ({
  ...node,
  spec: { ...node.spec, taints: [...taintsWithout(node, REMOVAL_TAINT)] },
});

/** Whether nodes that others take out run pods that will need another place. */
const areAnyComing = ({ nodes, nodeClaims, pods }: Snapshot): boolean => {
  const claims = new Map(nodeClaims.map((claim) => [claim.status?.providerID ?? '', claim]));
  const names = new Set(
    nodes
      .filter((node) => isLeaving({ node, claim: claims.get(node.spec?.providerID || 'none') }))
      .map(({ metadata }) => metadata.name),
  );
  return names.size > 0 && pods.some((pod) => names.has(pod.spec.nodeName ?? '') && isReschedulable(pod));
};

/**
 * Why the room of a node is needed: a pod without a node, of a CapacityBuffer, or of a node that others take out, fits
 * nowhere else. `gone` names the claims that are as good as deleted.
 */
export const roomNeed = (
  snapshot: Snapshot,
  name: string,
  o: {
    readonly gone: ReadonlySet<string>;
    readonly buffers: readonly Pod[];
    readonly schedulers?: readonly string[];
  },
): string | undefined => {
  const isGone = (claim: NodeClaim): boolean => o.gone.has(claim.metadata.name);
  const nodeClaims = snapshot.nodeClaims.map((claim) => (isGone(claim) ? leaving(claim) : claim));
  const goneIds = new Set(snapshot.nodeClaims.filter(isGone).map(({ status }) => status?.providerID ?? ''));
  const nodes = snapshot.nodes.map((node) => {
    if (node.metadata.name === name) return opened(node);
    return goneIds.has(node.spec?.providerID || 'none') ? leaving(node) : node;
  });
  const pods = [...snapshot.pods, ...o.buffers];
  if (!pods.some((pod) => !pod.spec.nodeName) && !areAnyComing(snapshot)) return undefined;
  const cluster = clusterOf({ ...snapshot, nodes, nodeClaims, pods }, NO_CATALOGUE);
  const index = cluster.views.findIndex((view) => view.name === name);
  const { kept } = withRoomKept(cluster, new Set([index]), o.schedulers);
  return kept[0]?.blocker.message;
};
