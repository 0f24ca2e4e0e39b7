import type { CreationAttempt, NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';

export interface OrderFailure {
  readonly failureReason: string;
  readonly message: string;
}

export const poolNameOf = (planned: NodeClaimToAdd): string =>
  planned.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';

/** The end of a sentence: what became of the last attempt. */
export const lastOf = (attempts: readonly CreationAttempt[]): string => {
  const last = attempts.at(-1)?.description;
  return last ? `, the last one: ${last}` : '';
};

export const exhausted = (planned: NodeClaimToAdd, attempts: readonly CreationAttempt[]): OrderFailure => ({
  failureReason: 'FailureReasonNodeCreateFailed',
  message: `Planned node ${planned.metadata.name} could not be created in ${attempts.length} attempts${lastOf(attempts)}. Allow more instance types or zones in NodePool ${poolNameOf(planned)}.`,
});

export const reservationFull = (planned: NodeClaimToAdd, id: string): OrderFailure => ({
  failureReason: 'FailureReasonNodeCreateFailed',
  message: `Capacity reservation ${id} has no machine left for planned node ${planned.metadata.name}: make a new plan.`,
});
