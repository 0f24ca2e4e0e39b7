import { KARPENTER_DO_NOT_DISRUPT, KARPENTER_NODEPOOL, PREPARING_TAINT } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { currentClaim } from './state/claimnames.ts';
import type { ExecutionState } from './state/state.ts';
import type { Step } from './state/step.ts';

/**
 * The reservation of the nodes that a plan adds: a taint that only pinned pods tolerate, and do-not-disrupt, which
 * keeps Karpenter away while they are still empty.
 */

type ReleaseStep = Step & { readonly kind: 'release' };
type NodesState = Pick<ExecutionState, 'plan' | 'nodeClaims' | 'nodes' | 'nodePools'>;
type PinsState = Pick<ExecutionState, 'pins' | 'limits'>;

const isTainted = (node: Node | undefined): boolean =>
  node?.spec?.taints?.some((t) => t.key === PREPARING_TAINT) ?? false;

/** Ends the reservation; do-not-disrupt stays where the planned claim or its NodePool asks for it. */
export const releaseSteps = ({ plan, nodeClaims, nodes, nodePools }: NodesState): readonly ReleaseStep[] =>
  (plan.spec.nodeClaimsToAdd ?? []).flatMap((planned): ReleaseStep[] => {
    const claim = currentClaim(plan, planned.metadata.name);
    const node = nodes.get(claim);
    if (!node || node.metadata.deletionTimestamp) return [];
    const pool = nodePools.get(planned.metadata.labels?.[KARPENTER_NODEPOOL] ?? '');
    const keeps = [planned.metadata, pool?.spec.template.metadata].some(
      (m) => m?.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined,
    );
    const isGuarded =
      !keeps &&
      [node, nodeClaims.get(claim)].some(
        (o) => o?.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined,
      );
    if (!isTainted(node) && !isGuarded) return [];
    return [
      {
        kind: 'release',
        node: node.metadata.name,
        claim,
        keeps,
        reason: 'NodeReleased',
        message: `Node ${node.metadata.name} is open to all pods and to Karpenter's disruption`,
      },
    ];
  });

/** Removes the taint alone, so that kube-scheduler can place the plan's pods; Karpenter is still kept away. */
export const untaintSteps = (state: NodesState): readonly Step[] =>
  releaseSteps(state)
    .filter(({ claim }) => isTainted(state.nodes.get(claim)))
    .map((step) => ({
      ...step,
      keeps: true,
      reason: 'NodeOpened',
      message: `Node ${step.node} is opened to kube-scheduler before all of its pods have arrived`,
    }));

/** Karpenter buys a node for a pod that is pending for a second, so pods wait only for a connected pinner. */
const hasOverduePod = ({
  unscheduledPods,
  pins,
  now,
  limits,
}: PinsState & Pick<ExecutionState, 'unscheduledPods' | 'now'>): boolean =>
  unscheduledPods.some(
    ({ metadata }) =>
      !pins.connected || now - Date.parse(metadata.creationTimestamp ?? '') > limits.pinHoldMs,
  );

/** True once the pinner has been disconnected for longer than the plan waits for it. */
const isPinnerLost = ({ pins, limits }: PinsState): boolean => pins.goneForMs > limits.pinTimeoutMs;

/** The untaint steps once a pod has waited too long for its pin, or the pinner is lost. */
export const overdueUntaintSteps = (
  state: NodesState & PinsState & Pick<ExecutionState, 'unscheduledPods' | 'now'>,
): readonly Step[] => (hasOverduePod(state) || isPinnerLost(state) ? untaintSteps(state) : []);

/**
 * True while the pinner is disconnected and added nodes are reserved: an evicted pod's successor would find no node.
 */
export const areEvictionsPaused = (state: NodesState & PinsState): boolean =>
  !state.pins.connected && !isPinnerLost(state) && untaintSteps(state).length > 0;
