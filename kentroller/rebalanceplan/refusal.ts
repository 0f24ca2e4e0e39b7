import type { RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import { isForbidden, isTerminal, type KubeError } from '../../kube/errors.ts';
import { setCondition } from './state/status.ts';

/** Condition of a plan: False while the API server refuses a write that the plan needs. */
const WRITES_ACCEPTED = 'WritesAccepted';

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
