import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import { KARPENTER_DISRUPTED_TAINT } from '../../../api/labels.ts';
import type { Node, NodeClaim } from '../../../api/objects.ts';
import { existingClaims } from '../state/claimnames.ts';
import { LOCKED_BY } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { hasOrdered } from '../state/status.ts';
import type { Step } from '../state/step.ts';

type LockState = Pick<ExecutionState, 'plan' | 'nodeClaims' | 'nodes'>;

/** Why a node is about to be removed without the plan; undefined when it is not. */
const disruptionReason = (claim: NodeClaim, node: Node | undefined): string | undefined => {
  if (claim.metadata.deletionTimestamp) return `NodeClaim ${claim.metadata.name} is being deleted`;
  if (node?.metadata.deletionTimestamp) return `Node ${node.metadata.name} is being deleted`;
  if (node?.spec?.taints?.some((t) => t.key === KARPENTER_DISRUPTED_TAINT)) {
    return `Karpenter is disrupting node ${node.metadata.name}`;
  }
  return undefined;
};

const failCreation = (failureReason: string, message: string): Step => ({
  kind: 'fail',
  phase: 'Creation',
  failureReason,
  reason: failureReason,
  message: `${message}: make a new plan.`,
});

/**
 * Locks the plan's existing nodes against Karpenter's own disruption. A node that is already disrupted fails the plan
 * before the first machine is ordered; later the plan goes on without it.
 */
export const lockSteps = ({ plan, nodeClaims, nodes }: LockState): readonly Step[] => {
  const isLate = hasOrdered(plan);
  const locks: Step[] = [];
  for (const name of existingClaims(plan)) {
    const claim = nodeClaims.get(name);
    const node = nodes.get(name);
    if (!claim) {
      if (isLate) continue;
      return [failCreation('FailureReasonNodeGone', `NodeClaim ${name} is gone`)];
    }
    const disruption = disruptionReason(claim, node);
    if (disruption) {
      if (isLate) continue;
      return [failCreation('FailureReasonNodeDisrupted', disruption)];
    }
    if (!node || isMarkedBy(plan, node, LOCKED_BY)) continue;
    locks.push({
      kind: 'lock',
      node: node.metadata.name,
      reason: 'NodeLocked',
      message: `Keeping Karpenter from disrupting node ${node.metadata.name} while the plan runs`,
    });
  }
  return locks;
};

/** Removes the plan's locks. */
export const unlockSteps = ({ plan, nodes }: Pick<LockState, 'plan' | 'nodes'>): readonly Step[] =>
  existingClaims(plan).flatMap((name): Step[] => {
    const node = nodes.get(name);
    if (!node || !isMarkedBy(plan, node, LOCKED_BY)) return [];
    return [
      {
        kind: 'unlock',
        node: node.metadata.name,
        reason: 'NodeUnlocked',
        message: `Karpenter may disrupt node ${node.metadata.name} again`,
      },
    ];
  });
