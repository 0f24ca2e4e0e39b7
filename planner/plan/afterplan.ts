import type { NodeClaimToAdd, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { HOSTNAME, KARPENTER_UNREGISTERED_TAINT } from '../../api/labels.ts';
import type { Node, NodeClaim, Requirement } from '../../api/objects.ts';
import { deletedClaims, destinationOf, foreignNodeOf } from '../../api/plans.ts';
import type { Snapshot } from '../model/snapshot.ts';

/** Labels that a planned node will have for sure: its claim's, and requirements with one value. */
const plannedLabels = ({ metadata, spec }: NodeClaimToAdd): Record<string, string> => ({
  ...Object.fromEntries(
    (spec.requirements as readonly Requirement[]).flatMap(({ key, operator, values = [] }) =>
      operator === 'In' && values.length === 1 ? [[key, values[0] as string]] : [],
    ),
  ),
  ...metadata.labels,
  [HOSTNAME]: metadata.name,
});

const plannedNode = (planned: NodeClaimToAdd): Node => ({
  metadata: { name: planned.metadata.name, labels: plannedLabels(planned) },
  spec: { unschedulable: true, ...(planned.spec.taints && { taints: [...planned.spec.taints] }) },
  status: {},
});

/** A node that takes no more pods, and does not count as disrupted. */
const closed = (node: Node): Node => ({
  ...node,
  spec: {
    ...node.spec,
    taints: [...(node.spec?.taints ?? []), { key: KARPENTER_UNREGISTERED_TAINT, effect: 'NoExecute' }],
  },
});

/** An order that no machine answers yet: it counts against the limits of its NodePool. */
export const orderedClaim = ({ metadata, spec }: NodeClaimToAdd): NodeClaim => ({
  metadata: { name: metadata.name, labels: { ...metadata.labels } },
  spec: { nodeClassRef: spec.nodeClassRef, requirements: spec.requirements as readonly Requirement[] },
});

/**
 * The cluster as the next plan finds it beside one that is not carried out yet: pods are where that plan puts them, and
 * none of its nodes can be used. Nodes that it removes stay, since they count against limits until they are gone.
 */
export const afterPlan = (snapshot: Snapshot, spec: RebalancePlanSpec): Snapshot => {
  const claimOfProvider = new Map(
    snapshot.nodeClaims.map((claim) => [claim.status?.providerID ?? '', claim.metadata.name]),
  );
  const claimOfName = new Map(
    snapshot.nodeClaims.map((claim) => [claim.status?.nodeName ?? '', claim.metadata.name]),
  );
  const claimOf = ({ metadata, spec: { providerID = '-' } = {} }: Node): string =>
    claimOfName.get(metadata.name) ?? claimOfProvider.get(providerID) ?? '';
  const nodeOfClaim = new Map(snapshot.nodes.map((node) => [claimOf(node), node.metadata.name]));
  const added = new Set((spec.nodeClaimsToAdd ?? []).map(({ metadata }) => metadata.name));
  const removed = new Set(deletedClaims(spec));
  const filled = new Set((spec.podsToMigrate ?? []).map(destinationOf));
  const placeOf = new Map(
    (spec.podsToMigrate ?? []).map(({ namespace, name, dstNodeClaimName: claim = '', dstNodeName }) => [
      `${namespace}/${name}`,
      dstNodeName ?? (added.has(claim) ? claim : nodeOfClaim.get(claim)),
    ]),
  );
  return {
    ...snapshot,
    nodes: [
      ...snapshot.nodes.map((node) => {
        const claim = claimOf(node);
        const place = destinationOf(
          claim ? { dstNodeClaimName: claim } : { dstNodeName: node.metadata.name },
        );
        return removed.has(claim) || filled.has(place) ? closed(node) : node;
      }),
      ...(spec.nodeClaimsToAdd ?? []).map(plannedNode),
    ],
    nodeClaims: [...snapshot.nodeClaims, ...(spec.nodeClaimsToAdd ?? []).map(orderedClaim)],
    pods: snapshot.pods.map((pod) => {
      const { name, namespace = 'default' } = pod.metadata;
      const node = placeOf.get(`${namespace}/${name}`);
      return node === undefined ? pod : { ...pod, spec: { ...pod.spec, nodeName: node } };
    }),
  };
};

/** Names of the nodes that stay and get pods of a plan. */
export const nodesFilledBy = (spec: RebalancePlanSpec, { nodeClaims }: Snapshot): ReadonlySet<string> => {
  const filled = new Set((spec.podsToMigrate ?? []).map(destinationOf));
  return new Set([
    ...nodeClaims.flatMap(({ metadata, status }) =>
      filled.has(metadata.name) ? (status?.nodeName ?? []) : [],
    ),
    ...[...filled].flatMap((destination) => foreignNodeOf(destination) ?? []),
  ]);
};
