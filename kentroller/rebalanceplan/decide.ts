import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CANCEL } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { isFinished, isRunning } from '../../api/plans.ts';
import { create } from './create/decide.ts';
import { addedNames } from './create/nodelock.ts';
import { validate } from './create/savingscheck.ts';
import { drainAndDelete, poolBudgets } from './drain/decide.ts';
import { lateOpenings, openings, settle } from './finish/decide.ts';
import { rollBack } from './finish/rollback.ts';
import { PLAN_FINALIZER } from './state/labels.ts';
import { countBaseline, movesOf } from './state/moves.ts';
import type { World } from './state/state.ts';
import { hasReached, reachedAt } from './state/status.ts';
import { type Decision, type FailurePhase, type Step, steps } from './state/step.ts';

/** The webhook hears of the plan, and the API server of the webhook, long before: by then it is not there. */
const WEBHOOK_WAIT_MS = 5_000;
const WEBHOOK_AGAIN_MS = 250;

/** Once the old nodes are gone there is nothing to put back: the plan is carried to its end. */
const isCanceled = (plan: RebalancePlan): boolean =>
  plan.metadata.annotations?.[CANCEL] === 'true' && !hasReached(plan, 'NodesDeleted');

const isHeld = (world: World): boolean => world.plan.metadata.finalizers?.includes(PLAN_FINALIZER) ?? false;

const over = (state: 'Skipped' | 'Canceled' | 'Expired', reason: string, message: string): Decision =>
  steps({ kind: 'finish', state, reason, message });

const isEmpty = ({ spec }: RebalancePlan): boolean =>
  [spec.nodeClaimsToAdd, spec.nodeClaimsToDelete, spec.podsToMigrate].every((list) => !list?.length);

/** Why a plan that has not started never will; undefined when it may. */
const neverStarts = ({ plan, now, limits }: World): Decision | undefined => {
  if (isCanceled(plan)) return over('Canceled', 'Canceled', 'The plan was canceled before it started.');
  const age = now - Date.parse(plan.metadata.creationTimestamp ?? '');
  if (limits.planExpiryMs > 0 && age > limits.planExpiryMs) {
    const hours = Math.round(limits.planExpiryMs / 360_000) / 10;
    const message = `The plan did not start within ${hours} h and is about a cluster of that time: make a new claim.`;
    return over('Expired', 'PlanExpired', message);
  }
  if (plan.spec.execute && isEmpty(plan)) {
    return over('Skipped', 'NothingToDo', 'The plan adds, removes and moves nothing.');
  }
  return undefined;
};

/** 1. Before the start: may it run, does it share a node with another plan, is the cluster well enough. */
const start = (world: World): Decision => {
  const { plan, clusterNodes, limits } = world;
  const never = neverStarts(world);
  if (never) return never;
  const wait = (reason: string, message: string): Decision =>
    steps({ kind: 'wait-to-start', reason, message });
  if (!plan.spec.execute) return wait('NotExecuted', 'Set spec.execute to true to carry the plan out');
  if (!world.enabled) {
    return wait('RebalancerDisabled', 'The rebalancer is turned off: no plan starts until it is on again');
  }
  const mine = [
    ...(plan.spec.nodeClaimsToDelete ?? []).map((c) => c.nodeClaimName),
    ...(plan.spec.podsToMigrate ?? []).map((p) => p.dstNodeClaimName),
  ];
  const shared = mine.find((claim) => world.busy.has(claim));
  if (shared) return wait('NodeInUse', `NodeClaim ${shared} is in use by another running plan`);
  const { total, unready } = clusterNodes;
  if (unready > limits.haltNodes && unready * 100 > total * limits.haltPercent) {
    return wait('ClusterUnhealthy', `${unready} of ${total} nodes are unready: no plan starts`);
  }
  if (isHeld(world)) {
    const budgets = poolBudgets(world);
    return steps({ kind: 'start', budgets, reason: 'PlanStarted', message: 'Carrying the plan out' });
  }
  const leaving = new Set(
    (plan.spec.podsToMigrate ?? []).filter((p) => p.srcNode).map((p) => `${p.namespace}/${p.name}`),
  );
  const podsOn = (claim: string): readonly Pod[] => world.pods.get(claim) ?? [];
  const moves = movesOf(plan.spec.podsToMigrate ?? [], false);
  return steps({
    kind: 'prepare',
    baseline: countBaseline(moves, addedNames(plan), podsOn, leaving),
    reason: 'PlanPrepared',
    message: 'Noting what stands where before the plan starts',
  });
};

const phaseAtHand = (world: World): FailurePhase =>
  hasReached(world.plan, 'SavingsValidated') ? 'Deletion' : 'Creation';

const outOfTime = (world: World): Step | undefined => {
  const since = Date.parse(world.plan.status?.startTime ?? '');
  if (!(world.now - since > world.limits.executionTimeoutMs)) return undefined;
  if (hasReached(world.plan, 'NodesDeleted')) return undefined;
  return {
    kind: 'fail',
    phase: phaseAtHand(world),
    failureReason: 'FailureReasonTimeout',
    reason: 'FailureReasonTimeout',
    message: `The plan did not end within ${Math.round(world.limits.executionTimeoutMs / 1000)} s: raise timeouts.rebalanceExecutionTimeout, or plan for fewer nodes.`,
  };
};

/** 3. The savings check, between the new nodes and the old. */
const checkSavings = (world: World): Decision => {
  const validated = validate(world);
  const threshold = world.plan.spec.executionPolicy?.achievedSavingsPercentageThreshold;
  const achieved = validated?.projectedSavingsPercent;
  if (threshold !== undefined && achieved !== undefined && Number(achieved) < Number(threshold)) {
    return steps({
      kind: 'fail',
      phase: 'Creation',
      failureReason: 'FailureReasonInsufficientSavings',
      reason: 'FailureReasonInsufficientSavings',
      message: `The new nodes save ${achieved} %, less than the ${threshold} % of executionPolicy.achievedSavingsPercentageThreshold: lower it, or make a new plan when there is cheaper capacity.`,
    });
  }
  return steps({
    kind: 'advance',
    phase: 'SavingsValidated',
    ...(validated ? { validated } : {}),
    reason: 'SavingsValidated',
    message: achieved === undefined ? 'The plan promises no savings' : `The new nodes save ${achieved} %`,
  });
};

/** 4. The pinner knows where the pods go, or it is known not to be there: a pin may lose, a pod may not. */
const awaitPins = (world: World): Decision => {
  const reached = (reason: string, message: string): Step => ({
    kind: 'advance',
    phase: 'PinsReady',
    reason,
    message,
  });
  if ((world.plan.spec.podsToMigrate ?? []).length === 0) {
    return steps(reached('NoPods', 'The plan moves no pods'));
  }
  const since = reachedAt(world.plan, 'SavingsValidated') ?? world.now;
  const left = world.limits.pinTimeoutMs - (world.now - since);
  if (world.pins.acknowledged) {
    const { webhook } = world;
    if (!webhook) return steps(reached('PinsAcknowledged', 'The pinner holds all pins of the plan'));
    if (webhook.isLive) {
      return steps(
        reached('PinsAcknowledged', 'The pinner holds all pins of the plan, and the webhook is live'),
      );
    }
    const patience = Math.min(left, WEBHOOK_WAIT_MS - (world.now - since));
    if (patience > 0) return { steps: [], againAfterMs: Math.min(patience, WEBHOOK_AGAIN_MS) };
    return steps(
      reached(
        'WebhookNotLive',
        `The pinner holds all pins of the plan, but pods are not pinned as they are created: ${webhook.reason}`,
      ),
    );
  }
  if (left > 0) return { steps: [], againAfterMs: Math.min(left, 1_000) };
  const message = world.pins.connected
    ? 'The pinner did not acknowledge all pins in time; kube-scheduler places what is not pinned'
    : 'No pinner is connected; kube-scheduler places the pods';
  const warn: Step = { kind: 'warn', reason: 'PinsMissing', message };
  return steps(warn, ...(world.pins.connected ? [] : openings(world)), reached('PinsMissing', message));
};

/** The next steps of a plan. Pure: the same world gives the same steps. */
export const decide = (world: World): Decision => {
  const { plan } = world;
  const letGo: Step = {
    kind: 'let-go',
    reason: 'PlanEnded',
    message: 'Nothing of the plan is left to put back',
  };
  if (isFinished(plan)) return steps(...(isHeld(world) ? [letGo] : []));
  if (plan.status?.failurePhase) return rollBack(world);
  if (plan.metadata.deletionTimestamp) {
    if (!isRunning(plan)) return steps(...(isHeld(world) ? [letGo] : []));
    const phase = phaseAtHand(world);
    const message = 'The plan was deleted while it ran.';
    return steps({ kind: 'fail', phase, failureReason: 'Canceled', reason: 'Canceled', message });
  }
  if (!isRunning(plan)) return start(world);
  if (isCanceled(plan)) {
    const phase = phaseAtHand(world);
    const message = 'The plan was canceled while it ran.';
    return steps({ kind: 'fail', phase, failureReason: 'Canceled', reason: 'Canceled', message });
  }
  const late = outOfTime(world);
  if (late) return steps(late);
  if (!hasReached(plan, 'NodesCreated')) return create(world);
  if (!hasReached(plan, 'SavingsValidated')) return checkSavings(world);
  if (!hasReached(plan, 'PinsReady')) return awaitPins(world);
  if (!hasReached(plan, 'NodesDeleted')) {
    const next = drainAndDelete(world);
    return { ...next, steps: [...lateOpenings(world), ...next.steps] };
  }
  return settle(world);
};
