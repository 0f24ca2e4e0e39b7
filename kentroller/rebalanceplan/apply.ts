import { shortened } from '../../api/kinds/fit.ts';
import type { RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import { REBALANCE_MIGRATION_PLANS } from '../../api/resources.ts';
import { PLAN_FINALIZER } from './state/labels.ts';
import type { ExecutionState } from './state/state.ts';
import * as status from './state/status.ts';
import type { Step } from './state/step.ts';
import {
  createClaim,
  createMigration,
  deleteClaim,
  hasUnseenClaims,
  recordFailedAttempt,
} from './writes/claims.ts';
import { closeNode, cordonNode, lockNode, markEvicted, uncordonNode, unlockNode } from './writes/nodes.ts';
import { freeNode, takeNodes } from './writes/nodeuse.ts';
import { preparePlan, removeFinalizer } from './writes/plan.ts';
import {
  deleteForsakenPod,
  deletePod,
  detachPod,
  evictPod,
  reattachPod,
  removePod,
  toleratePod,
} from './writes/pods.ts';
import { releaseNode, reserveNode } from './writes/reservation.ts';
import { type Change, deleteIfThere, SKIPPED, type Writer } from './writes/writer.ts';

const inOrder =
  (...changes: readonly status.StatusChange[]): status.StatusChange =>
  (s) =>
    changes.reduce((changed, change) => change(changed), s);

const merge =
  (part: Partial<RebalancePlanStatus>): status.StatusChange =>
  (s) => ({ ...s, ...part });

/** Records the spec as it was first shown. */
const freeze =
  ({ specHash }: Pick<ExecutionState, 'specHash'>): status.StatusChange =>
  (s) => ({ ...s, specHash: s.specHash ?? specHash });

/** Applies one step and returns the change that it makes to the plan's status. */
export const apply = async (
  w: Writer,
  state: ExecutionState,
  step: Step,
): Promise<Change | typeof SKIPPED> => {
  const { now } = state;
  const { plan } = state;
  const at = new Date(now).toISOString();
  switch (step.kind) {
    case 'prepare':
      await w.guards.raise(w.signal);
      // Two passes: the first write changes the version that the second one needs.
      if (!plan.metadata.finalizers?.includes(PLAN_FINALIZER)) return void (await preparePlan(w, plan));
      return merge({ pinBaseline: step.baseline });
    case 'remove-finalizer':
      return void (await removeFinalizer(w, plan));
    case 'wait-to-start':
      return inOrder(
        freeze(state),
        merge({ state: plan.status?.state ?? 'Pending' }),
        status.setCondition('Started', 'False', step.reason, step.message, now),
      );
    case 'wait-in-phase':
      return status.setCondition(step.phase, 'False', step.reason, step.message, now);
    case 'free':
      return void (await freeNode(w, plan, step.place));
    case 'start':
      if (!(await takeNodes(w, plan, step.places))) return SKIPPED;
      return inOrder(
        freeze(state),
        merge({
          state: 'Running',
          startTime: plan.status?.startTime ?? at,
          nodePoolBudgets: step.budgets,
        }),
        status.setCondition('Started', 'True', step.reason, step.message, now),
      );
    case 'lock':
      return void (await lockNode(w, plan, step));
    case 'unlock':
      return void (await unlockNode(w, plan, step));
    case 'tolerate':
      return void (await toleratePod(w, step));
    case 'create-claim':
      return createClaim(w, state, step);
    case 'attempt-succeeded':
      return status.recordAttempt(step.attempt, 'Success', '', now);
    case 'attempt-failed':
      return recordFailedAttempt(w, now, step);
    case 'delete-claim':
      return await deleteClaim(w, state, step);
    case 'remove-pod':
      return await removePod(w, step);
    case 'delete-pod':
      return step.forsakenBy
        ? await deleteForsakenPod(w, step, step.forsakenBy)
        : await deletePod(w, state, step);
    case 'record-surge':
      return status.recordDetached(step.pod);
    case 'surge':
      return void (await detachPod(w, step));
    case 'reattach':
      return void (await reattachPod(w, step));
    case 'close':
      return void (await closeNode(w, state.plan, step));
    case 'cordon':
      return void (await cordonNode(w, plan, step));
    case 'mark-evicted':
      return void (await markEvicted(w, plan, step));
    case 'uncordon':
      return void (await uncordonNode(w, plan, step));
    case 'evict':
      return await evictPod(w, state, step);
    case 'record-deletion':
      return status.recordDeletion(step.claim, step.status, step.description, now, step.migrationPlan);
    case 'keep-node':
      return inOrder(
        status.recordDeletion(step.claim, 'Failed', step.description, now),
        status.addWarning(step.message),
      );
    case 'create-migration':
      return createMigration(w, state, step);
    case 'withdraw-migration': {
      const options = { uid: step.uid, signal: w.signal };
      const ref = { name: step.name };
      return void (await deleteIfThere(w.client.delete(REBALANCE_MIGRATION_PLANS, ref, options)));
    }
    case 'advance':
      return inOrder(
        ...(step.validated ? [merge({ validatedSavings: step.validated })] : []),
        status.setCondition(step.phase, 'True', step.reason, step.message, now),
      );
    case 'warn':
      return status.addWarning(step.message);
    case 'reserve':
      return void (await reserveNode(w, plan, step));
    case 'release':
      return void (await releaseNode(w, plan, step));
    case 'fail':
      return inOrder(
        merge({
          failurePhase: step.phase,
          failureReason: step.failureReason,
          failureMessage: shortened(step.message, status.STATUS_ENDS.message),
        }),
        status.setCondition('Failed', 'True', step.reason, step.message, now),
      );
    case 'finish':
      if (await hasUnseenClaims(w, plan)) return SKIPPED;
      return inOrder(
        merge({
          state: step.state,
          completionTime: at,
          ...(step.outcome && { achievedOutcome: step.outcome }),
        }),
        status.setCondition('Finished', 'True', step.reason, step.message, now),
      );
    default:
      return assertNever(step);
  }
};

const assertNever = (step: never): never => {
  throw new Error(`unknown step ${JSON.stringify(step)}`);
};
