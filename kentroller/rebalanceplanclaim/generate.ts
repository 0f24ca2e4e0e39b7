import { parseDuration } from '../../api/duration.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim, RebalancePlanClaimStatus } from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { isNotFound, messageOf } from '../../kube/errors.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { FIELD_MANAGER } from '../rebalanceplan/create/unavailable.ts';
import { gatherSnapshot } from '../snapshot.ts';
import { buildPlan, claimOf, planIdOf, planNameFor } from './plan.ts';
import { type Planning, type PlanningAnswer, PlanningError, PlanningTimeout } from './planning.ts';
import { readClaim, writeClaimStatus } from './read.ts';
import { isCanceled, isFinished, type Told, withState } from './status.ts';
import { PlanRefused } from './verified.ts';

const GENERATION_TIMEOUT_MS = 5 * 60_000;
const CLOUD_RETRY_MS = 1_000;
const GATE_RETRY_MS = 2_000;
const DISABLED =
  'The rebalancer is turned off: the claim waits until a ConfigMap of features or REBALANCER_ENABLED turns it on';
const SEED = 1;

const findPlan = async (
  client: KubeClient,
  claim: RebalancePlanClaim,
  signal: AbortSignal,
): Promise<RebalancePlan | undefined> => {
  try {
    const plan = await client.get(REBALANCE_PLANS, { name: planNameFor(claim) }, { signal });
    return claimOf(plan)?.uid === claim.metadata.uid ? plan : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
};

const selection = (answer: PlanningAnswer): RebalancePlanClaimStatus => ({
  selectedNodes: [...answer.selectedNodes],
  selectedNodesCount: answer.selectedNodes.length,
  skippedNodes: answer.skippedNodes.map((n) => ({ name: n.name, reasons: [...n.reasons] })),
});

/** Why a claim that the planner has answered ends without a plan; undefined when it gets one. */
export const refusal = (
  claim: RebalancePlanClaim,
  answer: PlanningAnswer,
): { readonly state: 'Skipped' | 'Failed'; readonly told: Told } | undefined => {
  if (!answer.plan) {
    const message = answer.reason ?? 'No cheaper set of nodes was found.';
    return { state: 'Skipped', told: { reason: 'NoSavings', message } };
  }
  const wanted = claim.spec.minSavingsPercentage;
  const found = answer.plan.savings.projectedSavingsPercent;
  if (wanted === undefined || Number(found) >= Number(wanted)) return undefined;
  const message = `The best plan saves ${found} %, less than minSavingsPercentage ${wanted}: lower it, or widen the scope.`;
  return { state: 'Failed', told: { reason: 'FailureReasonInsufficientSavings', message } };
};

/** Makes the plan of a RebalancePlanClaim: Pending, Generating, Ready, or the reason why not. */
export const generatePlans = (o: {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly catalogue: () => Promise<Catalogue>;
  readonly planning: Planning;
  /** False while no claim is to be worked on. */
  readonly isEnabled: () => boolean;
  /** Milliseconds that the planner may search. */
  readonly timeBudgetMs: number;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
}): Controller => {
  const { client } = o;

  const move = async (
    claim: RebalancePlanClaim,
    state: 'Pending' | 'Generating' | 'Ready' | 'Skipped' | 'Failed' | 'Canceled',
    told: Told,
    more: RebalancePlanClaimStatus,
    signal: AbortSignal,
  ): Promise<RebalancePlanClaim> => {
    const status = withState({ ...claim.status, ...more }, state, told, o.clock.now());
    const written = await writeClaimStatus(client, claim, status, signal);
    o.log.info({ claim: claim.metadata.name, state, ...told }, 'claim changed state');
    const type = state === 'Failed' ? 'Warning' : 'Normal';
    o.recorder.event(REBALANCE_PLAN_CLAIMS, claim, type, told.reason, told.message);
    return written;
  };

  const ready = async (
    claim: RebalancePlanClaim,
    plan: RebalancePlan,
    signal: AbortSignal,
  ): Promise<void> => {
    const saved = plan.status?.savings?.projectedSavingsPercent;
    const message = plan.spec.execute
      ? `Plan ${plan.metadata.name} is made and will be carried out`
      : `Plan ${plan.metadata.name} is made: set spec.execute on it to carry it out`;
    await move(
      claim,
      'Ready',
      { reason: 'PlanReady', message },
      {
        planId: planIdOf(plan),
        rebalanceName: plan.metadata.name,
        ...(saved === undefined ? {} : { projectedSavingsPercent: saved }),
      },
      signal,
    );
  };

  /** 2. The plan and its savings; `execute` comes last, so that no plan runs before its savings are known. */
  const write = async (
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
        const told = { reason: 'Canceled', message: 'The claim was canceled before its plan was ready.' };
        await move(claim, 'Canceled', told, {}, signal);
        return awaitChange;
      }
      if (!o.isEnabled()) {
        if (!claim.status?.conditions?.some((c) => c.message === DISABLED)) {
          await move(claim, 'Pending', { reason: 'RebalancerDisabled', message: DISABLED }, {}, signal);
        }
        return requeue(GATE_RETRY_MS);
      }
      const existing = await findPlan(client, claim, signal);
      if (existing?.status?.savings) {
        // The plan is this claim's and nobody was told of it yet: a process ended before it was let go.
        if (claim.spec.autoExecute && !existing.spec.execute) {
          await client.patch(
            REBALANCE_PLANS,
            { name: existing.metadata.name },
            { spec: { execute: true } },
            { signal },
          );
        }
        await ready(claim, existing, signal);
        return awaitChange;
      }
      let catalogue: Catalogue;
      try {
        catalogue = await o.catalogue();
      } catch (error) {
        const message = `Waiting for prices and capacity from the cloud: ${messageOf(error)}`;
        if (state !== 'Pending' || !claim.status?.conditions?.some((c) => c.message === message)) {
          await move(claim, 'Pending', { reason: 'WaitingForCloud', message }, {}, signal);
        }
        return requeue(CLOUD_RETRY_MS);
      }
      if (state !== 'Generating') {
        claim = await move(
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
        // 1. The search, over the cluster as it is at this moment.
        const answer = await o.planning(
          {
            snapshot: gatherSnapshot(o.caches),
            catalogue,
            now: o.clock.now(),
            seed: SEED,
            timeBudgetMs: Math.min(o.timeBudgetMs, timeout),
            planName: planNameFor(claim),
            ...(scope ? { scope } : {}),
            ...(nodeConstraints ? { constraints: nodeConstraints } : {}),
            ...(aggressiveModeConfig ? { aggressive: aggressiveModeConfig } : {}),
          },
          timeout,
          signal,
        );
        const refused = refusal(claim, answer);
        if (refused || !answer.plan) {
          const end = refused ?? {
            state: 'Skipped' as const,
            told: { reason: 'NoSavings', message: 'No plan.' },
          };
          await move(claim, end.state, end.told, selection(answer), signal);
          return awaitChange;
        }
        const chosen = { ...claim.status, ...selection(answer) };
        claim = await writeClaimStatus(client, claim, chosen, signal);
        await ready(claim, await write(claim, answer.plan, signal), signal);
      } catch (error) {
        if (!(error instanceof PlanningError)) throw error;
        if (error instanceof PlanRefused) {
          const message = `${error.message}: report this with the log line of the plan, and make a new claim.`;
          await move(claim, 'Failed', { reason: 'FailureReasonPlanRefused', message }, {}, signal);
          return awaitChange;
        }
        const isLate = error instanceof PlanningTimeout;
        await move(
          claim,
          'Failed',
          {
            reason: isLate ? 'FailureReasonGenerationTimeout' : 'FailureReasonPlanGeneration',
            message: `${error.message}: ${isLate ? 'raise timeouts.planGenerationTimeout, or narrow the scope' : 'make a new claim once that is mended'}.`,
          },
          {},
          signal,
        );
      }
      return awaitChange;
    },
  };
};
