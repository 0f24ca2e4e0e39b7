import { isDeepStrictEqual } from 'node:util';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CANCEL, SOFT_PINS_POLICY } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { executionPhaseOf, hasBegunToMove, isFinished, isRunning } from '../../api/plans.ts';
import { limitFailure, limitWait, unknownLimitWait } from './clusterlimit.ts';
import { decideCreation } from './create/decide.ts';
import { unlockSteps } from './create/nodelock.ts';
import { freeSteps, inUseReason, placesToTake } from './create/nodeuse.ts';
import { beyondPoolFailure } from './create/ordersteps.ts';
import { decideSavings, recheckSavings } from './create/savingscheck.ts';
import { blockedFailure } from './drain/blockers.ts';
import { poolBudgets } from './drain/budgets.ts';
import { closingSteps, displacedPodSteps } from './drain/closing.ts';
import { drainAndDelete } from './drain/decide.ts';
import { reattachSteps } from './drain/surge.ts';
import { decideFinish } from './finish/decide.ts';
import { rollBack } from './finish/rollback.ts';
import { overdueUntaintSteps, reservationSteps, untaintSteps } from './reservation.ts';
import { addedNames } from './state/claimnames.ts';
import { haltReason } from './state/halt.ts';
import { PLAN_FINALIZER } from './state/labels.ts';
import { baselineOf, countBaseline, movesOf } from './state/moves.ts';
import { isChanged } from './state/spechash.ts';
import type { ExecutionState } from './state/state.ts';
import { hasReached, hasWarned, reachedAt } from './state/status.ts';
import { type Decision, type Step, steps } from './state/step.ts';
import { unknownClaimsWait } from './unknownclaims.ts';

/** Time well within which a working webhook has learned of the plan. */
const WEBHOOK_WAIT_MS = 5_000;
const WEBHOOK_RETRY_MS = 250;

/**
 * A cancellation counts until the removed nodes no longer exist: then nothing can be undone, and the plan ends as
 * usual.
 */
const isCanceled = (plan: RebalancePlan): boolean =>
  plan.metadata.annotations?.[CANCEL] === 'true' && !hasReached(plan, 'NodesDeleted');

const hasFinalizer = ({ plan }: Pick<ExecutionState, 'plan'>): boolean =>
  plan.metadata.finalizers?.includes(PLAN_FINALIZER) ?? false;

const finish = (state: 'Skipped' | 'Canceled' | 'Expired', reason: string, message: string): Decision =>
  steps({ kind: 'finish', state, reason, message });

const isEmpty = ({ spec }: RebalancePlan): boolean =>
  [spec.nodeClaimsToAdd, spec.nodeClaimsToDelete, spec.podsToMigrate].every((list) => !list?.length);

/** The end of a plan that never starts; undefined when it may. */
const endBeforeStart = ({
  plan,
  now,
  limits,
}: Pick<ExecutionState, 'plan' | 'now' | 'limits'>): Decision | undefined => {
  if (isCanceled(plan)) return finish('Canceled', 'Canceled', 'The plan was canceled before it started.');
  const age = now - Date.parse(plan.metadata.creationTimestamp ?? '');
  if (limits.planExpiryMs > 0 && age > limits.planExpiryMs) {
    const hours = Math.round(limits.planExpiryMs / 360_000) / 10;
    const message = `The plan did not start within ${hours} h, and the cluster has changed since it was planned: create a new claim.`;
    return finish('Expired', 'PlanExpired', message);
  }
  if (plan.spec.execute && isEmpty(plan)) {
    return finish('Skipped', 'NothingToDo', 'The plan adds, removes and moves nothing.');
  }
  return undefined;
};

/** Fails a plan whose spec is not what was shown. */
const changedFailure = (phase: 'Creation' | 'Deletion'): Step => ({
  kind: 'fail',
  phase,
  failureReason: 'FailureReasonPlanChanged',
  reason: 'FailureReasonPlanChanged',
  message:
    'The spec of the plan is not the one that was shown (status.specHash), so it is not executed: make a new plan.',
});

/** 1. Before the start: whether the plan may run, shares no node with another one, and the cluster is healthy. */
const decideStart = (state: ExecutionState): Decision => {
  const { plan, clusterNodes, limits } = state;
  const end = endBeforeStart(state);
  if (end) return end;
  const wait = (reason: string, message: string): Decision =>
    steps(...freeSteps(state), { kind: 'wait-to-start', reason, message });
  if (!plan.spec.execute) return wait('NotExecuted', 'Set spec.execute to true to execute the plan');
  if (isChanged(state)) return steps(changedFailure('Creation'));
  if (!state.isEnabled) {
    return wait(
      'RebalancerDisabled',
      'The rebalancer is turned off: no plan starts until it is turned on again',
    );
  }
  // A plan that adds machines is asked again once they stand.
  const limit = limitWait(state);
  if (limit) return { ...wait(limit.reason, limit.message), againAfterMs: limit.againAfterMs };
  const inUse = inUseReason(state);
  if (inUse) return wait('NodeInUse', inUse);
  const halt = haltReason(clusterNodes, limits);
  if (halt) return wait('ClusterUnhealthy', halt);
  const refused = beyondPoolFailure(state) ?? blockedFailure(state);
  if (refused) return steps(refused);
  // A pod that the plan moves, or buys for, is none of those that were there before.
  const placed = new Set((plan.spec.podsToMigrate ?? []).map((p) => `${p.namespace}/${p.name}`));
  const podsOn = (claim: string): readonly Pod[] => state.pods.get(claim) ?? [];
  const moves = movesOf(plan.spec.podsToMigrate ?? [], true);
  const baseline = countBaseline(moves, addedNames(plan), podsOn, placed);
  // A plan that has waited counts again.
  if (hasFinalizer(state) && isDeepStrictEqual(baseline, baselineOf(plan))) {
    return steps({
      kind: 'start',
      budgets: poolBudgets(state),
      places: placesToTake(state),
      reason: 'PlanStarted',
      message: 'Executing the plan',
    });
  }
  return steps({
    kind: 'prepare',
    baseline,
    reason: 'PlanPrepared',
    message: 'Recording where pods run before the plan starts',
  });
};

const nodeNamesOf =
  ({ nodes }: Pick<ExecutionState, 'nodes'>) =>
  (claim: string): string | undefined =>
    nodes.get(claim)?.metadata.name;

const executionTimeout = (
  state: Pick<ExecutionState, 'plan' | 'nodes' | 'now' | 'limits'>,
): Step | undefined => {
  const { plan, now, limits } = state;
  const since = Date.parse(plan.status?.startTime ?? '');
  if (!(now - since > limits.executionTimeoutMs)) return undefined;
  if (hasReached(plan, 'NodesDeleted')) return undefined;
  return {
    kind: 'fail',
    phase: executionPhaseOf(plan, nodeNamesOf(state)),
    failureReason: 'FailureReasonTimeout',
    reason: 'FailureReasonTimeout',
    message: `The plan did not end within ${Math.round(limits.executionTimeoutMs / 1000)} s: raise timeouts.rebalanceExecutionTimeout, or plan for fewer nodes.`,
  };
};

const pinsReached = (reason: string, message: string): Step => ({
  kind: 'advance',
  phase: 'PinsReady',
  reason,
  message,
});

/** What the pinner or the admission policy has of the plan, in words. */
const SAYS = {
  pinner: {
    all: 'The pinner has all pins of the plan',
    live: 'The pinner has all pins of the plan, and the webhook is live',
    late: 'The pinner did not acknowledge all pins in time: kube-scheduler places the pods that are not pinned',
  },
  policy: {
    all: 'The admission policy has all soft pins of the plan',
    live: 'The admission policy has all soft pins of the plan, and is live',
    late: "The plan's soft pins could not be written in time: kube-scheduler places the pods on nodes that are open to all",
  },
} as const;

/** The plan goes on without pins; where nobody binds its pods, its nodes are opened to them. */
const withoutPins = (state: ExecutionState, message: string): Decision => {
  const { connected, isSoft } = state.pins;
  const warn: Step = { kind: 'warn', reason: 'PinsMissing', message };
  const opened = connected && !isSoft ? [] : untaintSteps(state);
  return steps(warn, ...opened, pinsReached('PinsMissing', message));
};

/** 4. The pins: the plan waits until pinner and webhook have them, or the policy has, and goes on without after a timeout. */
const decidePins = (state: ExecutionState): Decision => {
  if ((state.plan.spec.podsToMigrate ?? []).length === 0) {
    return steps(pinsReached('NoPods', 'The plan moves no pods'));
  }
  const since = reachedAt(state.plan, 'SavingsValidated') ?? state.now;
  const left = state.limits.pinTimeoutMs - (state.now - since);
  const { isSoft, acknowledged, connected } = state.pins;
  const says = isSoft ? SAYS.policy : SAYS.pinner;
  if (acknowledged) {
    const { webhook } = state;
    if (!webhook) return steps(pinsReached('PinsAcknowledged', says.all));
    if (webhook.isLive) return steps(pinsReached('PinsAcknowledged', says.live));
    const patience = Math.min(left, WEBHOOK_WAIT_MS - (state.now - since));
    if (patience > 0) return { steps: [], againAfterMs: Math.min(patience, WEBHOOK_RETRY_MS) };
    if (isSoft) {
      return withoutPins(
        state,
        `${SOFT_PINS_POLICY} steers no pods as they are created: ${webhook.reason}; kube-scheduler places them on nodes that are open to all`,
      );
    }
    return steps(
      pinsReached(
        'WebhookNotLive',
        `${says.all}, but the webhook does not pin pods as they are created: ${webhook.reason}`,
      ),
    );
  }
  if (left > 0) return { steps: [], againAfterMs: Math.min(left, 1_000) };
  return withoutPins(state, connected ? says.late : 'No pinner is connected: kube-scheduler places the pods');
};

/** Warns once of each node that refuses the plan's pods, which go elsewhere from then on. */
const refusingNodeSteps = ({ plan, pins }: Pick<ExecutionState, 'plan' | 'pins'>): readonly Step[] => {
  const messages = (pins.closedNodes ?? []).map(
    ({ node, reason }) => `No more pods are pinned to node ${node}: ${reason}`,
  );
  return [...new Set(messages)]
    .filter((message) => !hasWarned(plan, message))
    .map((message) => ({ kind: 'warn', reason: 'NodeRefusesPods', message }));
};

/** Removes the finalizer of a plan that has ended; what a stale cache showed too late to be undone comes first. */
const decideRelease = (state: Pick<ExecutionState, 'plan' | 'surge' | 'nodeClaims' | 'nodes'>): Decision => {
  if (!hasFinalizer(state)) return steps();
  const late = [...reattachSteps(state), ...unlockSteps(state)];
  if (late.length > 0) return steps(...late);
  const free = freeSteps(state);
  if (free.length > 0) return steps(...free);
  return steps({
    kind: 'remove-finalizer',
    reason: 'PlanEnded',
    message: 'Nothing of the plan is left to undo',
  });
};

/** The steps of a phase before the deletion, with those that close nodes; none of these beside a failure. */
const closing = (state: ExecutionState, decision: Decision): Decision =>
  decision.steps.some((step) => step.kind === 'fail')
    ? decision
    : { ...decision, steps: [...closingSteps(state), ...displacedPodSteps(state), ...decision.steps] };

/** The next steps of a plan. Pure: the same state gives the same steps. */
export const decide = (state: ExecutionState): Decision => {
  const { plan } = state;
  if (isFinished(plan)) return decideRelease(state);
  if (plan.status?.failurePhase) return rollBack(state);
  if (plan.metadata.deletionTimestamp) {
    if (!isRunning(plan)) return decideRelease(state);
    const phase = executionPhaseOf(plan, nodeNamesOf(state));
    const message = 'The plan was deleted while it ran.';
    return steps({ kind: 'fail', phase, failureReason: 'Canceled', reason: 'Canceled', message });
  }
  if (!isRunning(plan)) return decideStart(state);
  if (isCanceled(plan)) {
    const phase = executionPhaseOf(plan, nodeNamesOf(state));
    const message = 'The plan was canceled while it ran.';
    return steps({ kind: 'fail', phase, failureReason: 'Canceled', reason: 'Canceled', message });
  }
  if (isChanged(state) && !hasReached(plan, 'NodesDeleted')) {
    return steps(changedFailure(executionPhaseOf(plan, nodeNamesOf(state))));
  }
  const timeout = executionTimeout(state);
  if (timeout) return steps(timeout);
  return unknownClaimsWait(state) ?? withReservations(state, decidePhase(state));
};

/** The steps of a phase, and of the reservations that it neither ends nor gives up. */
const withReservations = (state: ExecutionState, next: Decision): Decision => {
  if (next.steps.some(({ kind }) => kind === 'fail' || kind === 'finish')) return next;
  const released = new Set(next.steps.flatMap((step) => (step.kind === 'release' ? [step.node] : [])));
  const reserved = reservationSteps(state).filter((step) => !('node' in step && released.has(step.node)));
  return { ...next, steps: [...reserved, ...next.steps] };
};

const decidePhase = (state: ExecutionState): Decision => {
  const { plan } = state;
  if (!hasReached(plan, 'NodesCreated')) return closing(state, decideCreation(state));
  // 3. The savings check, repeated until the first pod moves.
  if (!hasReached(plan, 'SavingsValidated')) return closing(state, decideSavings(state));
  if (!hasReached(plan, 'PinsReady')) return closing(state, recheckSavings(state) ?? decidePins(state));
  if (!hasReached(plan, 'NodesDeleted')) {
    if (!hasBegunToMove(plan, nodeNamesOf(state))) {
      const refused = limitFailure(state) ?? recheckSavings(state);
      if (refused) return refused;
      const wait = unknownLimitWait(state);
      if (wait) return closing(state, wait);
    }
    const next = drainAndDelete(state);
    return { ...next, steps: [...refusingNodeSteps(state), ...overdueUntaintSteps(state), ...next.steps] };
  }
  return decideFinish(state);
};
