import { shortened } from '../../api/kinds/fit.ts';
import type { RebalancePlan, RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import { isFinished, isRunning } from '../../api/plans.ts';
import { isForbidden, isTerminal, type KubeError, messageOf } from '../../kube/errors.ts';
import { hasReached, STATUS_ENDS, setCondition } from './state/status.ts';

/** Condition of a plan: False while the API server refuses a write that the plan needs. */
const WRITES_ACCEPTED = 'WritesAccepted';
const STATUS_REFUSED = 'FailureReasonStatusRefused';

/** The first error that a retry would repeat until someone mends its cause: a missing right, or an object refused. */
const refusalAmong = (errors: readonly unknown[]): string | undefined =>
  errors.find((error): error is KubeError => isTerminal(error) || isForbidden(error))?.message;

/** The plan's status with the refusal of one of its writes, or with the news that there is none any more. */
export const withRefusal = (
  status: RebalancePlanStatus,
  errors: readonly unknown[],
  now: number,
): RebalancePlanStatus => {
  const refusal = refusalAmong(errors);
  const known = status.conditions?.find(({ type }) => type === WRITES_ACCEPTED);
  if (refusal !== undefined) {
    const message = `The API server refuses a write of the plan, which is tried again: ${refusal}`;
    return setCondition(WRITES_ACCEPTED, 'False', 'WriteRefused', message, now)(status);
  }
  if (known?.status !== 'False' || errors.length > 0) return status;
  const message = 'The API server accepts the writes of the plan again';
  return setCondition(WRITES_ACCEPTED, 'True', 'WritesAccepted', message, now)(status);
};

/**
 * What can be written of a plan whose status is refused: the refusal, and the plan's failure, so that it ends and gives back
 * what it has rather than try again for ever. A plan that is at its end ends as it is.
 */
export const refusedStatus = (
  plan: RebalancePlan,
  refused: RebalancePlanStatus,
  {
    error,
    phase,
    now,
  }: {
    readonly error: unknown;
    readonly phase: 'Creation' | 'Deletion';
    readonly now: number;
  },
): RebalancePlanStatus => {
  const { completionTime, conditions, state } = refused;
  const known = plan.status ?? {};
  if (isFinished({ ...plan, status: refused })) {
    const ended = {
      ...known,
      ...(state && { state }),
      ...(completionTime !== undefined && { completionTime }),
      ...(conditions && { conditions }),
    };
    return withRefusal(ended, [error], now);
  }
  const told = withRefusal(known, [error], now);
  if (known.failurePhase || !isRunning(plan) || hasReached(plan, 'NodesDeleted')) return told;
  const failureMessage = shortened(
    `The API server refuses the status of the plan: apply the CRDs of this release, look for policies on RebalancePlans, and make a new plan. It says: ${messageOf(error)}`,
    STATUS_ENDS.message,
  );
  const failed = { ...told, failurePhase: phase, failureReason: STATUS_REFUSED, failureMessage };
  return setCondition('Failed', 'True', STATUS_REFUSED, failureMessage, now)(failed);
};
