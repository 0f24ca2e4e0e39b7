import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import { KARPENTER_DO_NOT_DISRUPT, OWNED_BY } from '../../../api/labels.ts';
import { withdrawClaims } from '../create/decide.ts';
import { unlockSteps } from '../create/nodelock.ts';
import { freeSteps } from '../create/nodeuse.ts';
import { withdrawMigrationSteps } from '../drain/livemigration.ts';
import { reattachSteps } from '../drain/surge.ts';
import { abandonedDrainSteps, uncordonSteps } from '../drain/undo.ts';
import { releaseSteps } from '../reservation.ts';
import type { ExecutionState } from '../state/state.ts';
import { type Decision, steps } from '../state/step.ts';

/** NodeClaims that the plan created and has not released: a released one is no longer the plan's to delete. */
const reservedClaims = ({ plan, nodeClaims }: Pick<ExecutionState, 'plan' | 'nodeClaims'>): string[] =>
  [...nodeClaims.values()]
    .filter((c) => isMarkedBy(plan, c, OWNED_BY))
    .filter((c) => c.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined)
    .map((c) => c.metadata.name);

/** Undoes a failed plan: a failure in Creation deletes the added nodes, one in Deletion keeps and releases them. */
export const rollBack = (state: ExecutionState): Decision => {
  const { failurePhase, failureReason, failureMessage } = state.plan.status ?? {};
  const reserved = failurePhase === 'Creation' ? reservedClaims(state) : [];
  const undo =
    failurePhase === 'Creation'
      ? [...uncordonSteps(state), ...unlockSteps(state), ...withdrawClaims(state, reserved)]
      : [
          ...withdrawMigrationSteps(state),
          ...reattachSteps(state),
          ...abandonedDrainSteps(state),
          ...uncordonSteps(state),
          ...releaseSteps(state),
          ...unlockSteps(state),
          ...freeSteps(state),
        ];
  if (undo.length > 0 || reserved.length > 0) return steps(...undo);
  return steps({
    kind: 'finish',
    state: failureReason === 'Canceled' ? 'Canceled' : 'Failed',
    reason: failureReason ?? 'Failed',
    message: failureMessage ?? 'The plan failed.',
  });
};
