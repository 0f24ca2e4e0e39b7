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

/** Somebody wants the claim ended. */
export const isCanceled = (claim: RebalancePlanClaim): boolean =>
  claim.metadata.annotations?.[CANCEL] === 'true';

export const isFinished = (claim: RebalancePlanClaim): boolean => {
  const state = claim.status?.state;
  return state !== undefined && FINAL.has(state);
};

/** The condition that tells why the claim is in its state. */
const PLANNED = 'Planned';
const SUCCEEDED = 'Succeeded';

export interface Explanation {
  readonly reason: string;
  readonly message: string;
}

/** Moves a claim to a state, with what there is to tell about it. */
export const withState = (
  status: RebalancePlanClaimStatus,
  state: ClaimState,
  explanation: Explanation,
  now: number,
): RebalancePlanClaimStatus => {
  const isEnd = FINAL.has(state);
  const type = isEnd || state === 'Executing' ? SUCCEEDED : PLANNED;
  const verdict =
    state === 'Completed' || state === 'Ready'
      ? 'True'
      : state === 'Failed' || state === 'Canceled' || state === 'Skipped'
        ? 'False'
        : 'Unknown';
  const conditions = (status.conditions ?? []) as Condition[];
  return {
    ...status,
    state,
    conditions: withCondition(conditions, { type, status: verdict, ...explanation }, now),
    ...(isEnd && !status.completionTime ? { completionTime: new Date(now).toISOString() } : {}),
    ...(state === 'Failed' ? { errorMessage: explanation.message, failureReason: explanation.reason } : {}),
    ...(state === 'Skipped'
      ? { skippedMessage: explanation.message, skippedReason: explanation.reason }
      : {}),
  };
};

/** The state that a claim takes from its plan, and what to tell; undefined where it stays as it is. */
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
        explanation: { reason: 'PlanRunning', message: `Plan ${plan.metadata.name} runs` },
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
