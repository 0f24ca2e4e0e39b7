import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import { messagesOf } from '../../../planner/cluster/blocker.ts';
import { stateBlockers } from '../../../planner/cluster/candidate.ts';
import type { ExecutionState } from '../state/state.ts';
import { hasOrdered } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import { destinationsOf, type NodesState } from './destinations.ts';
import { blockersOf } from './protection.ts';

/**
 * What keeps nodes from being emptied now, by the planner's own rules: a plan is carried out later than it was made. See
 * docs/designs/0021-judged-again.md.
 */

/** Why the plan may not empty the node of a NodeClaim now; empty when it may, or has no such node. */
export const nodeBlockers = (state: NodesState, claimName: string): readonly string[] => {
  const claim = state.nodeClaims.get(claimName);
  const node = state.nodes.get(claimName);
  if (!claim || !node) return [];
  const pods = state.pods.get(claimName) ?? [];
  return [
    ...blockersOf(state, { node, claim, pods }),
    ...destinationsOf(state).blockers(pods, 'judged', claimName),
  ];
};

/** The reasons in one sentence. */
export const sentenceOf = (reasons: readonly string[]): string => {
  const more = reasons.length > 1 ? `, and ${reasons.length - 1} more reasons` : '';
  return `${reasons[0]}${more}`;
};

export const WHAT_TO_DO =
  'Let the pod end, remove the mark, open the other node, or allow it in aggressiveModeConfig, then make a new plan';

/** The nodes to be removed that may not be emptied now, by name, each with its reasons. */
export const blockedNodes = (state: NodesState): ReadonlyMap<string, readonly string[]> =>
  new Map(
    (state.plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }) => {
      const node = state.nodes.get(nodeClaimName)?.metadata.name;
      const reasons = nodeBlockers(state, nodeClaimName);
      return node !== undefined && reasons.length > 0 ? [[node, reasons] as const] : [];
    }),
  );

/** Fails a plan before it orders a machine when a node that it removes may not go now. */
export const blockedFailure = (state: NodesState & Pick<ExecutionState, 'nodePools'>): Step | undefined => {
  if (hasOrdered(state.plan)) return undefined;
  for (const { nodeClaimName } of state.plan.spec.nodeClaimsToDelete ?? []) {
    const claim = state.nodeClaims.get(nodeClaimName);
    const node = state.nodes.get(nodeClaimName);
    if (!claim || !node) continue;
    const pool = state.nodePools.get(claim.metadata.labels?.[KARPENTER_NODEPOOL] ?? '');
    const reasons = [
      ...messagesOf(stateBlockers({ node, claim, pool })),
      ...nodeBlockers(state, nodeClaimName),
    ];
    if (reasons.length === 0) continue;
    return {
      kind: 'fail',
      phase: 'Creation',
      failureReason: 'FailureReasonNodeBlocked',
      reason: 'FailureReasonNodeBlocked',
      message: `Node ${node.metadata.name} may not be removed any more: ${sentenceOf(reasons)}. ${WHAT_TO_DO}.`,
    };
  }
  return undefined;
};
