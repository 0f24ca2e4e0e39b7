import { parseDuration } from '../../api/duration.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim, RebalancePlanClaimStatus } from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { messageOf } from '../../kube/errors.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { FIELD_MANAGER } from '../rebalanceplan/create/unavailable.ts';
import { gatherSnapshot } from '../snapshot.ts';
import { readClaim, writeClaimStatus } from './claimclient.ts';
import { type Explanation, isCanceled, isFinished, withState } from './claimstatus.ts';
import { type Planning, type PlanningAnswer, PlanningError, PlanningTimeout } from './plannerworker.ts';
import { buildPlan, claimOf, planIdOf, planNameFor } from './planobject.ts';
import { PlanRefused } from './verified.ts';

const GENERATION_TIMEOUT_MS = 5 * 60_000;
const CLOUD_RETRY_MS = 1_000;
const DISABLED_RETRY_MS = 2_000;
const DISABLED =
  'The rebalancer is disabled: the claim waits until the features ConfigMap or REBALANCER_ENABLED enables it';
const SEED = 1;

const findPlan = async (
  client: KubeClient,
  claim: RebalancePlanClaim,
  signal: AbortSignal,
): Promise<RebalancePlan | undefined> => {
  const plan = await getOrUndefined(client.get(REBALANCE_PLANS, { name: planNameFor(claim) }, { signal }));
  return plan && claimOf(plan)?.uid === claim.metadata.uid ? plan : undefined;
};

const selectionOf = (answer: PlanningAnswer): RebalancePlanClaimStatus => ({
  selectedNodes: [...answer.selectedNodes],
  selectedNodesCount: answer.selectedNodes.length,
  skippedNodes: answer.skippedNodes.map((n) => ({ name: n.name, reasons: [...n.reasons] })),
});

/** The final state of a claim that gets no plan from this answer, and why; undefined when it gets one. */
export const rejectionOf = (
  claim: RebalancePlanClaim,
  answer: PlanningAnswer,
): { readonly state: 'Skipped' | 'Failed'; readonly explanation: Explanation } | undefined => {
  if (!answer.plan) {
    const message = answer.reason ?? 'No cheaper set of nodes was found.';
    return { state: 'Skipped', explanation: { reason: 'NoSavings', message } };
  }
  const required = claim.spec.minSavingsPercentage;
  const projected = answer.plan.savings.projectedSavingsPercent;
  if (required === undefined || Number(projected) >= Number(required)) return undefined;
  const message = `The best plan saves ${projected} %, less than minSavingsPercentage ${required}: lower it, or widen the scope.`;
  return { state: 'Failed', explanation: { reason: 'FailureReasonInsufficientSavings', message } };
};

/** Generates the plan of a RebalancePlanClaim: Pending, Generating, then Ready, Skipped, Failed or Canceled. */
export const createPlanGenerationController = (o: {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly catalogue: () => Promise<Catalogue>;
  readonly planning: Planning;
  /** What is old about the prices, as a sentence; undefined when nothing is. */
  readonly priceWarning: () => string | undefined;
  /** False while claims wait in Pending because the rebalancer is disabled. */
  readonly isEnabled: () => boolean;
  /** Milliseconds; a claim's planGenerationTimeout may shorten it. */
  readonly timeBudgetMs: number;
  /** Whether a Deployment without the surge annotation gets it. */
  readonly surgeByDefault: boolean;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
}): Controller => {
  const { client } = o;

  const setState = async (
    claim: RebalancePlanClaim,
    state: 'Pending' | 'Generating' | 'Ready' | 'Skipped' | 'Failed' | 'Canceled',
    explanation: Explanation,
    extraStatus: RebalancePlanClaimStatus,
    signal: AbortSignal,
  ): Promise<RebalancePlanClaim> => {
    const status = withState({ ...claim.status, ...extraStatus }, state, explanation, o.clock.now());
    const written = await writeClaimStatus(client, claim, status, signal);
    o.log.info({ claim: claim.metadata.name, state, ...explanation }, 'claim changed state');
    const type = state === 'Failed' ? 'Warning' : 'Normal';
    o.recorder.event(REBALANCE_PLAN_CLAIMS, claim, type, explanation.reason, explanation.message);
    return written;
  };

  const setReady = async (
    claim: RebalancePlanClaim,
    plan: RebalancePlan,
    signal: AbortSignal,
  ): Promise<void> => {
    const saved = plan.status?.savings?.projectedSavingsPercent;
    const ready = plan.spec.execute
      ? `Plan ${plan.metadata.name} is ready and will be executed`
      : `Plan ${plan.metadata.name} is ready: set its spec.execute to true to execute it`;
    const warning = o.priceWarning();
    const message = warning === undefined ? ready : `${ready}. ${warning}`;
    await setState(
      claim,
      'Ready',
      { reason: 'PlanReady', message },
      {
        planId: planIdOf(plan),
        rebalanceName: plan.metadata.name,
        ...(saved !== undefined && { projectedSavingsPercent: saved }),
      },
      signal,
    );
  };

  /** 2. Store the plan, then its savings, then `execute`: no plan starts before its savings are recorded. */
  const storePlan = async (
    claim: RebalancePlanClaim,
    answer: NonNullable<PlanningAnswer['plan']>,
    signal: AbortSignal,
  ): Promise<RebalancePlan> => {
    const plan = buildPlan(claim, answer.spec);
    const { name } = plan.metadata;
    const apply = { fieldManager: FIELD_MANAGER, force: true, signal };
    await client.apply(REBALANCE_PLANS, { ...plan, spec: { ...plan.spec, execute: false } }, apply);
    const status = { savings: answer.savings };
    await client.patch(REBALANCE_PLANS, { name }, { status }, { subresource: 'status', signal });
    return plan.spec.execute
      ? await client.apply(REBALANCE_PLANS, plan, apply)
      : await client.get(REBALANCE_PLANS, { name }, { signal });
  };

  return {
    name: 'rebalanceplanclaim.generate',
    sources: [watches(o.caches.claims, (claim) => [claim.metadata.name])],
    reconcile: async (name, signal) => {
      let claim = await readClaim(client, name, signal);
      if (!claim || claim.metadata.deletionTimestamp || isFinished(claim)) return awaitChange;
      const { state } = claim.status ?? {};
      if (state !== undefined && state !== 'Pending' && state !== 'Generating') return awaitChange;
      if (isCanceled(claim)) {
        const explanation = {
          reason: 'Canceled',
          message: 'The claim was canceled before its plan was ready.',
        };
        await setState(claim, 'Canceled', explanation, {}, signal);
        return awaitChange;
      }
      if (!o.isEnabled()) {
        if (!claim.status?.conditions?.some((c) => c.message === DISABLED)) {
          await setState(claim, 'Pending', { reason: 'RebalancerDisabled', message: DISABLED }, {}, signal);
        }
        return requeue(DISABLED_RETRY_MS);
      }
      const existing = await findPlan(client, claim, signal);
      if (existing?.status?.savings) {
        // An earlier process ended after it had stored the plan and before it updated the claim.
        if (claim.spec.autoExecute && !existing.spec.execute) {
          await client.patch(
            REBALANCE_PLANS,
            { name: existing.metadata.name },
            { spec: { execute: true } },
            { signal },
          );
        }
        await setReady(claim, existing, signal);
        return awaitChange;
      }
      let catalogue: Catalogue;
      try {
        catalogue = await o.catalogue();
      } catch (error) {
        const message = `Waiting for instance types and prices from the cloud: ${messageOf(error)}`;
        if (state !== 'Pending' || !claim.status?.conditions?.some((c) => c.message === message)) {
          await setState(claim, 'Pending', { reason: 'WaitingForCloud', message }, {}, signal);
        }
        return requeue(CLOUD_RETRY_MS);
      }
      if (state !== 'Generating') {
        claim = await setState(
          claim,
          'Generating',
          { reason: 'Generating', message: 'Looking for a cheaper set of nodes' },
          { operationId: planNameFor(claim) },
          signal,
        );
      }
      const { scope, nodeConstraints, aggressiveModeConfig } = claim.spec;
      const timeout =
        parseDuration(claim.spec.timeouts?.planGenerationTimeout ?? '') ?? GENERATION_TIMEOUT_MS;
      try {
        // 1. Search for a plan, over the current state of the caches.
        const answer = await o.planning(
          {
            snapshot: gatherSnapshot(o.caches),
            catalogue,
            now: o.clock.now(),
            seed: SEED,
            timeBudgetMs: Math.min(o.timeBudgetMs, timeout),
            planName: planNameFor(claim),
            surgeSingleReplicas: o.surgeByDefault,
            ...(scope && { scope }),
            ...(nodeConstraints && { constraints: nodeConstraints }),
            ...(aggressiveModeConfig && { aggressive: aggressiveModeConfig }),
          },
          timeout,
          signal,
        );
        const rejection = rejectionOf(claim, answer);
        if (rejection || !answer.plan) {
          const end = rejection ?? {
            state: 'Skipped' as const,
            explanation: { reason: 'NoSavings', message: 'No plan.' },
          };
          await setState(claim, end.state, end.explanation, selectionOf(answer), signal);
          return awaitChange;
        }
        const selected = { ...claim.status, ...selectionOf(answer) };
        claim = await writeClaimStatus(client, claim, selected, signal);
        await setReady(claim, await storePlan(claim, answer.plan, signal), signal);
      } catch (error) {
        if (!(error instanceof PlanningError)) throw error;
        if (error instanceof PlanRefused) {
          const message = `${error.message}: report this with the log line of the plan, then create a new claim.`;
          await setState(claim, 'Failed', { reason: 'FailureReasonPlanRefused', message }, {}, signal);
          return awaitChange;
        }
        const isTimeout = error instanceof PlanningTimeout;
        await setState(
          claim,
          'Failed',
          {
            reason: isTimeout ? 'FailureReasonGenerationTimeout' : 'FailureReasonPlanGeneration',
            message: `${error.message}: ${isTimeout ? 'raise timeouts.planGenerationTimeout, or narrow the scope' : 'fix the cause, then create a new claim'}.`,
          },
          {},
          signal,
        );
      }
      return awaitChange;
    },
  };
};
