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

/** Sentences as one text; the last one keeps its full stop as it is. */
export const sentences = (each: readonly string[]): string =>
  each.map((text, at) => (at < each.length - 1 ? text.replace(/\.$/, '') : text)).join('. ');

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

/** A claim's state, and why. */
interface Progress {
  readonly state: ClaimState;
  readonly explanation: Explanation;
}

const progressOf = (plan: RebalancePlan | undefined): Progress | undefined => {
  if (!plan) {
    const message = 'The plan was deleted before it ended.';
    return { state: 'Canceled', explanation: { reason: 'PlanDeleted', message } };
  }
  const { name } = plan.metadata;
  const finished = plan.status?.conditions?.find((c) => c.type === 'Finished')?.message;
  switch (plan.status?.state) {
    case 'Running':
      return {
        state: 'Executing',
        explanation: { reason: 'PlanRunning', message: `Plan ${name} is running` },
      };
    case 'Done':
    case 'DoneWithWarnings':
      return {
        state: 'Completed',
        explanation: { reason: plan.status.state, message: finished ?? `Plan ${name} is done` },
      };
    case 'Failed':
      return {
        state: 'Failed',
        explanation: {
          reason: plan.status.failureReason ?? 'Failed',
          message: plan.status.failureMessage ?? `Plan ${name} failed`,
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
            plan.status.failureMessage ?? finished ?? `Plan ${name} was ${plan.status.state.toLowerCase()}`,
        },
      };
    default:
      return undefined;
  }
};

/** The states of several plans that a claim takes over, the first that any plan has. */
const WORST_FIRST: readonly ClaimState[] = ['Failed', 'Canceled', 'Skipped', 'Completed'];

/** The state of several plans together: executing until the last has ended, then that of the worst. */
const progressOfAll = (all: readonly (Progress | undefined)[]): Progress | undefined => {
  const begun = all.flatMap((each) => each ?? []);
  if (begun.length === 0) return undefined;
  const ended = begun.filter(({ state }) => FINAL.has(state));
  if (ended.length < all.length) {
    const message = `${ended.length} of ${all.length} plans have ended`;
    return { state: 'Executing', explanation: { reason: 'PlanRunning', message } };
  }
  const [worst] = WORST_FIRST.flatMap((state) => ended.find((each) => each.state === state) ?? []);
  if (!worst) return undefined;
  const { reason, message } = worst.explanation;
  const count = ended.filter(({ state }) => state === worst.state).length;
  const sentence = `${count} of ${all.length} plans: ${message}`;
  return { state: worst.state, explanation: { reason, message: sentence } };
};

/** The state that a claim takes over from its plans, and why; undefined where the claim's state stays. */
export const planProgress = (
  claim: RebalancePlanClaim,
  plans: readonly (RebalancePlan | undefined)[],
): Progress | undefined => {
  const { state } = claim.status ?? {};
  if (state !== 'Ready' && state !== 'Executing') return undefined;
  const all = plans.map(progressOf);
  return all.length === 1 ? all[0] : progressOfAll(all);
};
