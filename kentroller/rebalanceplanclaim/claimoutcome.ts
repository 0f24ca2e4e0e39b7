import type { RebalancePlanClaim, RebalancePlanClaimStatus } from '../../api/kinds/rebalanceplanclaim.ts';
import { isForbidden, isTerminal } from '../../kube/errors.ts';
import { type Explanation, sentences } from './claimstatus.ts';
import { PlanningError, PlanningTimeout } from './plannerworker.ts';
import { type PartsAnswer, savingsOfAll } from './planparts.ts';
import { PlanRefused } from './verified.ts';

/** Bytes of JSON that nodes left out may take in a claim's status. */
const MAX_SKIPPED_BYTES = 400_000;

/** Which nodes the plans replace, and why others are left out; of very many of those only the first. */
export const selectionOf = (answer: PartsAnswer): RebalancePlanClaimStatus => {
  let bytes = 0;
  const fits = (node: object): boolean => {
    bytes += JSON.stringify(node).length;
    return bytes <= MAX_SKIPPED_BYTES;
  };
  const skipped = answer.skippedNodes.map((n) => ({ name: n.name, reasons: [...n.reasons] }));
  return {
    selectedNodes: [...answer.selectedNodes],
    selectedNodesCount: answer.selectedNodes.length,
    skippedNodes: skipped.filter(fits),
  };
};

/** The final state of a claim that gets no plan from this answer, and why; undefined when it gets one. */
export const rejectionOf = (
  claim: RebalancePlanClaim,
  answer: PartsAnswer,
  notes: readonly string[] = [],
): { readonly state: 'Skipped' | 'Failed'; readonly explanation: Explanation } | undefined => {
  if (answer.plans.length === 0) {
    const message = sentences([answer.reason ?? 'No cheaper set of nodes was found.', ...notes]);
    const reason = claim.spec.mustGo ? 'NoReplacement' : 'NoSavings';
    return { state: 'Skipped', explanation: { reason, message } };
  }
  const required = claim.spec.minSavingsPercentage;
  const projected = savingsOfAll(answer.plans.map(({ savings }) => savings)).projectedSavingsPercent;
  if (required === undefined || Number(projected) >= Number(required)) return undefined;
  const message = `The best plan saves ${projected} %, less than minSavingsPercentage ${required}: lower it, or widen the scope.`;
  return { state: 'Failed', explanation: { reason: 'FailureReasonInsufficientSavings', message } };
};

/** The end of a claim for an error that a retry would only repeat; undefined for other errors. */
export const failureOf = (error: unknown): Explanation | undefined => {
  if (error instanceof PlanRefused) {
    const message = `${error.message}: report this with the log line of the plan, then create a new claim.`;
    return { reason: 'FailureReasonPlanRefused', message };
  }
  if (error instanceof PlanningTimeout) {
    const message = `${error.message}: raise timeouts.planGenerationTimeout, or narrow the scope.`;
    return { reason: 'FailureReasonGenerationTimeout', message };
  }
  if (error instanceof PlanningError) {
    const message = `${error.message}: fix the cause, then create a new claim.`;
    return { reason: 'FailureReasonPlanGeneration', message };
  }
  if (isTerminal(error) || isForbidden(error)) {
    const message = `The API server refused the plan: ${error.message}. Fix the cause, then create a new claim.`;
    return { reason: 'FailureReasonPlanNotStored', message };
  }
  return undefined;
};
