import type { ExecutionState } from './state/state.ts';
import { type Decision, type Step, steps } from './state/step.ts';

/** What the limits of the cluster keep a plan from: decisions before it starts, and before it moves its first pod. */

type LimitState = Pick<ExecutionState, 'belowLimit'>;

/** Delay until a plan is looked at again that would leave the cluster too small, or that knows no limits. */
const RETRY_MS = 15_000;
const UNKNOWN_RETRY_MS = 2_000;

/** Reason of plans that wait until somebody knows the limits. */
export const UNKNOWN_LIMITS = 'PoliciesUnknown';

/** What a plan waits for that may not start for the sake of the limits. */
export const limitWait = ({
  belowLimit,
}: LimitState):
  | { readonly reason: string; readonly message: string; readonly againAfterMs: number }
  | undefined => {
  if (!belowLimit) return undefined;
  const { isKnown, message } = belowLimit;
  return isKnown
    ? { reason: 'ClusterLimit', message, againAfterMs: RETRY_MS }
    : { reason: UNKNOWN_LIMITS, message, againAfterMs: UNKNOWN_RETRY_MS };
};

/** Fails a plan that has moved nothing yet and whose nodes the cluster needs by its limits. */
export const limitFailure = ({ belowLimit }: LimitState): Decision | undefined =>
  belowLimit?.isKnown
    ? steps({
        kind: 'fail',
        phase: 'Creation',
        failureReason: 'FailureReasonClusterLimit',
        reason: 'FailureReasonClusterLimit',
        message: `The plan deletes no node: ${belowLimit.message}. Lower the limit, or plan for fewer nodes.`,
      })
    : undefined;

/** Lets a plan that has moved nothing yet wait, with all it has, until somebody knows the limits. */
export const unknownLimitWait = ({ belowLimit }: LimitState): Decision | undefined => {
  if (!belowLimit || belowLimit.isKnown) return undefined;
  const wait: Step = {
    kind: 'wait-in-phase',
    phase: 'NodesDeleted',
    reason: UNKNOWN_LIMITS,
    message: `The plan moves no pod yet: ${belowLimit.message}`,
  };
  return { steps: [wait], againAfterMs: UNKNOWN_RETRY_MS };
};
