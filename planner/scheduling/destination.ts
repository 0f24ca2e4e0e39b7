import { isMarked } from '../../api/identity/marks.ts';
import { CONTROL_PLANE, KARPENTER_NODEPOOL, MOVES_HERE_DISABLED } from '../../api/labels.ts';
import type { Node, NodeClaim, NodeSelector, Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { isOfFargate, OF_FARGATE, platformOf, samePlatformTerms } from '../model/standingmachine.ts';

/** Which nodes pods may be moved to, beyond what kube-scheduler allows. See docs/designs/0058-nodes-of-others-as-destinations.md. */

interface Destination {
  readonly node: Node;
  readonly claim: NodeClaim | undefined;
}

/** Taints of nodes that are no machines of a worker, or that another autoscaler is about to remove, and what they mean. */
const TAINTS: ReadonlyMap<string, string> = new Map([
  ['virtual-kubelet.io/provider', 'is no machine but a virtual kubelet'],
  ['eks.amazonaws.com/compute-type', `is ${OF_FARGATE}`],
  [CONTROL_PLANE, 'is of the control plane'],
  ['node-role.kubernetes.io/master', 'is of the control plane'],
  ['ToBeDeletedByClusterAutoscaler', 'is being removed by cluster-autoscaler'],
  ['DeletionCandidateOfClusterAutoscaler', 'is about to be removed by cluster-autoscaler'],
]);

/** Labels of such nodes; undefined stands for any value. */
const LABELS: readonly (readonly [string, string | undefined, string])[] = [
  ['type', 'virtual-kubelet', 'is no machine but a virtual kubelet'],
  [CONTROL_PLANE, undefined, 'is of the control plane'],
  ['node-role.kubernetes.io/master', undefined, 'is of the control plane'],
  ['karpenter.sh/provisioner-name', undefined, 'is of a Karpenter from before 0.32'],
];

/**
 * Whether Karpenter does not own a node, such as one of a managed node group. One that it made and whose NodeClaim is not
 * there, or not seen, is none.
 */
export const isForeign = ({ node, claim }: Destination): boolean =>
  claim === undefined && node.metadata.labels?.[KARPENTER_NODEPOOL] === undefined;

/** Why no plan moves pods to a node, whatever they tolerate; undefined when one may. */
export const noMovesReason = ({ node, claim }: Destination): string | undefined => {
  const { labels } = node.metadata;
  if (isMarked(node, MOVES_HERE_DISABLED)) return `carries ${MOVES_HERE_DISABLED}`;
  if (claim === undefined && !isForeign({ node, claim })) {
    return `has the label ${KARPENTER_NODEPOOL} and no NodeClaim that the plan names`;
  }
  if (isOfFargate(node)) return `is ${OF_FARGATE}`;
  const label = LABELS.find(([key, value]) => {
    const found = valueAt(labels, key);
    return found !== undefined && (value === undefined || found === value);
  });
  const taint = node.spec?.taints?.find(({ key }) => TAINTS.has(key));
  return label?.[2] ?? (taint && TAINTS.get(taint.key));
};

/**
 * Why a pod is not moved from a node to this one; undefined when it may be. Images without a selector are known to run on the
 * pod's present kind of machine only; of nodes with a NodeClaim the NodePool says which kinds do.
 */
export const noMoveReason = (to: Destination, source: Node | undefined): string | undefined => {
  const reason = noMovesReason(to);
  if (reason !== undefined || to.claim !== undefined || source === undefined) return reason;
  const [there, here] = [platformOf(to.node), platformOf(source)];
  return there === here ? undefined : `is ${there}, and the pod runs on ${here}`;
};

/** The same as a selector of nodes for the pods that move, where it keeps them off one of these nodes at all. */
export const selectorsOfMoves = (
  facts: readonly Destination[],
  receiving: (index: number) => boolean,
): ((pod: Pod) => readonly NodeSelector[]) => {
  const foreign = facts.filter((each, index) => receiving(index) && isForeign(each));
  const kinds = new Set(foreign.map(({ node }) => platformOf(node)));
  const byName = new Map<string, readonly NodeSelector[]>();
  if (kinds.size > 0) {
    for (const { node } of facts) {
      if (kinds.size === 1 && kinds.has(platformOf(node))) continue;
      byName.set(node.metadata.name, [
        {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: KARPENTER_NODEPOOL, operator: 'Exists' }] },
            ...samePlatformTerms(node),
          ],
        },
      ]);
    }
  }
  return ({ spec }) => byName.get(spec.nodeName ?? '') ?? [];
};
