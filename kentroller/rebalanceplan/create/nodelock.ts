import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { KARPENTER_DISRUPTED_TAINT, KARPENTER_DO_NOT_DISRUPT } from '../../../api/labels.ts';
import type { Node, NodeClaim } from '../../../api/objects.ts';
import { LOCK_KEEPS, LOCKED_BY } from '../state/labels.ts';
import type { World } from '../state/state.ts';
import type { Step } from '../state/step.ts';

/** Names that the plan gives to the claims that it adds. */
export const addedNames = (plan: RebalancePlan): ReadonlySet<string> =>
  new Set((plan.spec.nodeClaimsToAdd ?? []).map((c) => c.metadata.name));

/** NodeClaims that were there before the plan and that it empties or fills. */
export const existingClaims = (plan: RebalancePlan): readonly string[] => {
  const added = addedNames(plan);
  const removed = (plan.spec.nodeClaimsToDelete ?? []).map((c) => c.nodeClaimName);
  const filled = (plan.spec.podsToMigrate ?? []).map((p) => p.dstNodeClaimName).filter((n) => !added.has(n));
  return [...new Set([...removed, ...filled])];
};

const disruptedBy = (claim: NodeClaim, node: Node | undefined): string | undefined => {
  if (claim.metadata.deletionTimestamp) return `NodeClaim ${claim.metadata.name} is being deleted`;
  if (node?.metadata.deletionTimestamp) return `Node ${node.metadata.name} is being deleted`;
  if (node?.spec?.taints?.some((t) => t.key === KARPENTER_DISRUPTED_TAINT)) {
    return `Karpenter is disrupting node ${node.metadata.name}`;
  }
  return undefined;
};

const hadItBefore = (node: Node): boolean => {
  const annotations = node.metadata.annotations ?? {};
  if (annotations[LOCKED_BY] !== undefined) return annotations[LOCK_KEEPS] === 'true';
  return annotations[KARPENTER_DO_NOT_DISRUPT] === 'true';
};

const giveUp = (failureReason: string, message: string): Step => ({
  kind: 'fail',
  phase: 'Creation',
  failureReason,
  reason: failureReason,
  message: `${message}: make a new plan.`,
});

/**
 * The lock against Karpenter's own disruption: our annotation first, and only on nodes that show it a look whether
 * Karpenter was faster. Once machines are ordered, what Karpenter takes meanwhile is not worth giving up for.
 */
export const lock = (world: World): readonly Step[] => {
  const hasBegun = Object.keys(world.plan.status?.nodesCreation ?? {}).length > 0;
  const locks: Step[] = [];
  for (const name of existingClaims(world.plan)) {
    const claim = world.nodeClaims.get(name);
    const node = world.nodes.get(name);
    if (!claim) {
      if (hasBegun) continue;
      return [giveUp('FailureReasonNodeGone', `NodeClaim ${name} is gone`)];
    }
    const disrupted = disruptedBy(claim, node);
    if (disrupted) {
      if (hasBegun) continue;
      return [giveUp('FailureReasonNodeDisrupted', disrupted)];
    }
    if (!node || node.metadata.annotations?.[LOCKED_BY] === world.plan.metadata.name) continue;
    locks.push({
      kind: 'lock',
      node: node.metadata.name,
      keeps: hadItBefore(node),
      reason: 'NodeLocked',
      message: `Keeping Karpenter from disrupting node ${node.metadata.name} while the plan runs`,
    });
  }
  return locks;
};

/** Takes the plan's locks off; a node that Karpenter left alone for its user stays so. */
export const unlocks = (world: World): readonly Step[] =>
  existingClaims(world.plan).flatMap((name): Step[] => {
    const node = world.nodes.get(name);
    if (!node || node.metadata.annotations?.[LOCKED_BY] !== world.plan.metadata.name) return [];
    return [
      {
        kind: 'unlock',
        node: node.metadata.name,
        keeps: hadItBefore(node),
        reason: 'NodeUnlocked',
        message: `Leaving node ${node.metadata.name} to Karpenter again`,
      },
    ];
  });
