import { nodeClassKindsOf } from '../../planner/model/nodepool.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';

/** What goes wrong where a file lacks a kind that the cluster has, to be read after 'so'. */
const MATTERS: readonly (readonly [keyof Snapshot, string, string])[] = [
  ['nodes', 'Nodes', 'nothing can be priced or planned'],
  ['nodePools', 'NodePools', 'no machine can be bought and no node replaced'],
  ['nodeClaims', 'NodeClaims', 'no node counts as managed by Karpenter'],
  ['daemonSets', 'DaemonSets', 'new nodes get no room for their pods'],
  ['podDisruptionBudgets', 'PodDisruptionBudgets', 'none holds a node back'],
];

/** A sentence for the kinds of NodeClass that NodePools name and of which the file has no object. */
const absentNodeClasses = ({ nodePools, nodeClasses = [] }: Snapshot): readonly string[] => {
  const read = new Set(nodeClasses.map(({ kind }) => kind));
  return nodeClassKindsOf(nodePools)
    .filter(({ kind }) => !read.has(kind))
    .map(
      ({ kind, plural, group }) =>
        `The file has no ${kind}es, so subnets, disks and the kubelet's settings of new machines are known by standing nodes alone: add ${plural}.${group} to kubectl get.`,
    );
};

/** A sentence for the kinds of which a file has no object, though plans depend on them. */
export const absentKinds = (snapshot: Snapshot): readonly string[] => [
  ...MATTERS.flatMap(([field, plural, effect]) =>
    snapshot[field]?.length === 0
      ? [`The file has no ${plural}, so ${effect}: add them to kubectl get if the cluster has any.`]
      : [],
  ),
  ...absentNodeClasses(snapshot),
];
