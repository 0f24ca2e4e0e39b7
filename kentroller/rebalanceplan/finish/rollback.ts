import { withdrawClaims } from '../create/decide.ts';
import { isReserved } from '../create/nodeclaim.ts';
import { unlockSteps } from '../create/nodelock.ts';
import { freeSteps } from '../create/nodeuse.ts';
import { withdrawMigrationSteps } from '../drain/livemigration.ts';
import { reattachSteps } from '../drain/surge.ts';
import { abandonedDrainSteps, uncordonSteps } from '../drain/undo.ts';
import { releaseSteps } from '../reservation.ts';
import type { ExecutionState } from '../state/state.ts';
import { type Decision, steps } from '../state/step.ts';

const reservedClaims = ({ plan, nodeClaims }: Pick<ExecutionState, 'plan' | 'nodeClaims'>): string[] =>
  [...nodeClaims.values()].filter((c) => isReserved(plan, c)).map((c) => c.metadata.name);

/** Undoes a failed plan: a failure in Creation deletes the added nodes, one in Deletion keeps and releases them. */
export const rollBack = (state: ExecutionState): Decision => {
  const { failurePhase, failureReason, failureMessage } = state.plan.status ?? {};
  const reserved = failurePhase === 'Creation' ? reservedClaims(state) : [];
  const undo =
    failurePhase === 'Creation'
      ? [
          ...reattachSteps(state),
          ...uncordonSteps(state),
          ...unlockSteps(state),
          ...withdrawClaims(state, reserved),
        ]
      : [
          ...withdrawMigrationSteps(state),
          ...reattachSteps(state),
          ...abandonedDrainSteps(state),
          ...uncordonSteps(state),
          ...releaseSteps(state),
          ...unlockSteps(state),
        ];
  if (undo.length > 0 || reserved.length > 0) return steps(...undo);
  const free = freeSteps(state);
  if (free.length > 0) return steps(...free);
  return steps({
    kind: 'finish',
    state: failureReason === 'Canceled' ? 'Canceled' : 'Failed',
    reason: failureReason ?? 'Failed',
    message: failureMessage ?? 'The plan failed.',
  });
};
