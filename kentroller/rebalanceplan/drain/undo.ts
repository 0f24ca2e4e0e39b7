import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import { CORDONED_BY } from '../../../api/labels.ts';
import { isDrainedByPlan } from '../../../api/nodes.ts';
import { deletedClaims } from '../../../api/plans.ts';
import { isDrainable } from '../../../api/pods.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf } from '../state/status.ts';
import type { Step } from '../state/step.ts';

/** The undo of drains. */

/** Records why nodes stay whose drain had begun when the plan failed. */
export const abandonedDrainSteps = ({
  plan,
  nodeClaims,
}: Pick<ExecutionState, 'plan' | 'nodeClaims'>): readonly Step[] =>
  (plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }): Step[] => {
    const claim = nodeClaims.get(nodeClaimName);
    if (!claim || claim.metadata.deletionTimestamp) return [];
    const last = deletionEventsOf(plan, nodeClaimName).at(-1)?.status;
    if (!last || last === 'Success' || last === 'Failed') return [];
    const description = plan.status?.failureMessage ?? 'the plan failed';
    return [
      {
        kind: 'record-deletion',
        claim: nodeClaimName,
        status: 'Failed',
        description,
        reason: 'NodeKept',
        message: `NodeClaim ${nodeClaimName} stays: ${description}`,
      },
    ];
  });

/** Uncordons those of the NodeClaims' nodes that this plan cordoned. */
export const uncordonSteps = (
  { plan, nodes, pods }: Pick<ExecutionState, 'plan' | 'nodes' | 'pods'>,
  claims: readonly string[] = deletedClaims(plan.spec),
): readonly Step[] =>
  claims.flatMap((nodeClaimName): Step[] => {
    const node = nodes.get(nodeClaimName);
    if (!node || !isMarkedBy(plan, node, CORDONED_BY)) return [];
    return [
      {
        kind: 'uncordon',
        node: node.metadata.name,
        drainFailed: isDrainedByPlan(node) && (pods.get(nodeClaimName) ?? []).some(isDrainable),
        reason: 'NodeUncordoned',
        message: `Uncordoning node ${node.metadata.name}`,
      },
    ];
  });
