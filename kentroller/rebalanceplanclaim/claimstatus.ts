import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type {
  ClaimState,
  RebalancePlanClaim,
  RebalancePlanClaimStatus,
} from '../../api/kinds/rebalanceplanclaim.ts';
import { CANCEL } from '../../api/labels.ts';
import type { Condition } from '../../api/objects.ts';
import { withCondition } from '../rebalanceplan/state/status.ts';

const FINAL: ReadonlySet<ClaimState> = new Set<ClaimState>(['Completed', 'Failed', 'Skipped', 'Canceled']);

/** True once someone has set the cancel annotation. */
export const isCanceled = (claim: RebalancePlanClaim): boolean =>
  claim.metadata.annotations?.[CANCEL] === 'true';

export const isFinished = (claim: RebalancePlanClaim): boolean => {
  const state = claim.status?.state;
  return state !== undefined && FINAL.has(state);
};

/** Condition types: one for the claim until its plan is ready, one from the execution on. */
const PLANNED = 'Planned';
const SUCCEEDED = 'Succeeded';

export interface Explanation {
  readonly reason: string;
  readonly message: string;
}

/** The claim's status in a new state, with the condition that explains it. */
export const withState = (
  status: RebalancePlanClaimStatus,
  state: ClaimState,
  explanation: Explanation,
  now: number,
): RebalancePlanClaimStatus => {
  const isFinal = FINAL.has(state);
  const type = isFinal || state === 'Executing' ? SUCCEEDED : PLANNED;
  const conditionStatus =
    state === 'Completed' || state === 'Ready'
      ? 'True'
      : state === 'Failed' || state === 'Canceled' || state === 'Skipped'
        ? 'False'
        : 'Unknown';
  const conditions = (status.conditions ?? []) as Condition[];
  return {
    ...status,
    state,
    conditions: withCondition(conditions, { type, status: conditionStatus, ...explanation }, now),
    ...(isFinal && !status.completionTime && { completionTime: new Date(now).toISOString() }),
    ...(state === 'Failed' && { errorMessage: explanation.message, failureReason: explanation.reason }),
    ...(state === 'Skipped' && { skippedMessage: explanation.message, skippedReason: explanation.reason }),
  };
};

/** The state that a claim takes over from its plan, and why; undefined where the claim's state stays. */
export const planProgress = (
  claim: RebalancePlanClaim,
  plan: RebalancePlan | undefined,
): { readonly state: ClaimState; readonly explanation: Explanation } | undefined => {
  const { state } = claim.status ?? {};
  if (state !== 'Ready' && state !== 'Executing') return undefined;
  if (!plan) {
    const message = 'The plan was deleted before it ended.';
    return { state: 'Canceled', explanation: { reason: 'PlanDeleted', message } };
  }
  const finished = plan.status?.conditions?.find((c) => c.type === 'Finished')?.message;
  switch (plan.status?.state) {
    case 'Running':
      return {
        state: 'Executing',
        explanation: { reason: 'PlanRunning', message: `Plan ${plan.metadata.name} is running` },
      };
    case 'Done':
    case 'DoneWithWarnings':
      return {
        state: 'Completed',
        explanation: { reason: plan.status.state, message: finished ?? `Plan ${plan.metadata.name} is done` },
      };
    case 'Failed':
      return {
        state: 'Failed',
        explanation: {
          reason: plan.status.failureReason ?? 'Failed',
          message: plan.status.failureMessage ?? `Plan ${plan.metadata.name} failed`,
        },
      };
    case 'Canceled':
    case 'Skipped':
    case 'Expired':
      return {
        state: plan.status.state === 'Skipped' ? 'Skipped' : 'Canceled',
        explanation: {
          reason: plan.status.failureReason ?? plan.status.state,
          message:
            plan.status.failureMessage ??
            finished ??
            `Plan ${plan.metadata.name} was ${plan.status.state.toLowerCase()}`,
        },
      };
    default:
      return undefined;
  }
};
