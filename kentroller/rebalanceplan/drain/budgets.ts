import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import { deletedClaims } from '../../../api/plans.ts';
import { allowedDisruptions } from '../../../planner/cluster/disruptionbudget.ts';
import type { ExecutionState } from '../state/state.ts';

/** Disruption budgets of the NodePools that lose nodes. */

export const poolOf = ({ nodeClaims }: Pick<ExecutionState, 'nodeClaims'>, claim: string): string =>
  nodeClaims.get(claim)?.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';

type BudgetState = Pick<ExecutionState, 'plan' | 'nodeClaims' | 'nodePools' | 'poolNodes' | 'now'>;

/** Number of nodes of each NodePool whose drain may begin now. */
export const budgetsOf = ({ plan, nodePools, poolNodes, now }: BudgetState): Map<string, number> => {
  const ignoresZero = plan.spec.aggressiveMode?.ignoreZeroNodePoolDisruptionBudgets ?? false;
  return new Map(
    [...nodePools].map(([name, pool]) => [
      name,
      allowedDisruptions(pool, poolNodes.get(name) ?? { total: 0, disrupted: 0 }, now, ignoresZero),
    ]),
  );
};

/** The disruption budgets of the NodePools that lose nodes, for the status of the plan at its start. */
export const poolBudgets = (state: BudgetState): { nodePoolName: string; allowedDisruptions: number }[] => {
  const losing = deletedClaims(state.plan.spec).map((claim) => poolOf(state, claim));
  return [...budgetsOf(state)]
    .filter(([name]) => losing.includes(name))
    .map(([nodePoolName, allowed]) => ({ nodePoolName, allowedDisruptions: allowed }));
};
