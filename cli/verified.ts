import type { Catalogue } from '../planner/model/catalogue.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import { describeFaults } from '../planner/plan/verify/fault.ts';
import { verifyPlan } from '../planner/plan/verify.ts';
import type { RebalanceResult } from '../planner/rebalance.ts';

/** A planner's answer, without its plan where the independent check refuses it: the reason names the rule. */
export const withoutRefused = <R extends Pick<RebalanceResult, 'plan' | 'reason'>>(
  request: { readonly snapshot: Snapshot; readonly catalogue: Catalogue },
  result: R,
): R & { readonly isRefused: boolean } => {
  const faults = result.plan ? verifyPlan(request.snapshot, request.catalogue, result.plan.spec) : [];
  if (faults.length === 0) return { ...result, isRefused: false };
  const reason = `The plan was refused, because it breaks ${describeFaults(faults)}.`;
  return { ...result, plan: null, reason, isRefused: true };
};
