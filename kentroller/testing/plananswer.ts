import type { PlanningAnswer } from '../rebalanceplanclaim/plannerworker.ts';

/** What a planner answers that takes one of a claim's nodes away. */
export const planAnswer = (
  skippedNodes: PlanningAnswer['skippedNodes'] = [],
): Extract<PlanningAnswer, { plan: unknown }> => ({
  selectedNodes: ['n1'],
  skippedNodes,
  plan: {
    spec: { execute: false, nodeClaimsToDelete: [{ nodeClaimName: 'c1' }] },
    savings: {
      projectedSavingsPercent: '12.4',
      projectedSavingsCostMonthly: '124.00',
      currentMonthlyCost: '1000.00',
      projectedMonthlyCost: '876.00',
    },
  },
});
