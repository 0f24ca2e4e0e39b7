import { parseDuration } from '../../api/duration.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim, RebalancePlanClaimStatus } from '../../api/kinds/rebalanceplanclaim.ts';
import type { Pod } from '../../api/objects.ts';
import { REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { gatherForPlans } from '../snapshot.ts';
import { readClaim, writeClaimStatus } from './claimclient.ts';
import { failureOf, rejectionOf, selectionOf } from './claimoutcome.ts';
import { type Explanation, isCanceled, isFinished, sentences, withState } from './claimstatus.ts';
import type { Planning } from './plannerworker.ts';
import { buildPlan, leastSavingsOf, mustGoNodes, planIdOf, planNameFor } from './planobject.ts';
import { planInParts, savingsOfAll } from './planparts.ts';
import { LOOKING, SearchLog, TELL_EVERY_MS, whileTelling } from './searchprogress.ts';
import { dropOtherPlans, findPlans, startPlans, storePlans } from './storeplans.ts';

const GENERATION_TIMEOUT_MS = 5 * 60_000;
const CLOUD_RETRY_MS = 1_000;
const DISABLED_RETRY_MS = 2_000;
const DISABLED =
  'The rebalancer is disabled: the claim waits until the features ConfigMap or REBALANCER_ENABLED enables it';
const SEED = 1;

/** Generates the plans of a RebalancePlanClaim: Pending, Generating, then Ready, Skipped, Failed or Canceled. */
export const createPlanGenerationController = (o: {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly catalogue: () => Promise<Catalogue>;
  readonly planning: Planning;
  /** What is old about the prices, as a sentence; undefined when nothing is. */
  readonly priceWarning: () => string | undefined;
  /** What plans can't know or use now, in sentences; nothing where left out. */
  readonly notes?: () => readonly string[];
  /** False while claims wait in Pending because the rebalancer is disabled. */
  readonly isEnabled: () => boolean;
  /** Milliseconds; a claim's planGenerationTimeout may shorten it. */
  readonly timeBudgetMs: number;
  /** Whether a Deployment without the surge annotation gets it. */
  readonly surgeByDefault: boolean;
  /** As in RebalanceRequest. */
  readonly schedulers?: readonly string[];
  /** Pods that the headroom of the policies stands for. */
  readonly headroom?: () => readonly Pod[];
  /** Most cores of all worker nodes; undefined for any number. */
  readonly maxCores?: () => number | undefined;
  /** Milliseconds between two writes of how far a search is. */
  readonly tellEveryMs?: number;
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
    const { search: _, ...before } = claim.status ?? {};
    const status = withState({ ...before, ...extraStatus }, state, explanation, o.clock.now());
    const written = await writeClaimStatus(client, claim, status, signal);
    o.log.info({ claim: claim.metadata.name, state, ...explanation }, 'claim changed state');
    const type = state === 'Failed' ? 'Warning' : 'Normal';
    o.recorder.event(REBALANCE_PLAN_CLAIMS, claim, type, explanation.reason, explanation.message);
    return written;
  };

  const setReady = async (
    claim: RebalancePlanClaim,
    plans: readonly [RebalancePlan, ...RebalancePlan[]],
    goesPast: readonly string[],
    signal: AbortSignal,
  ): Promise<void> => {
    const [first] = plans;
    const names = plans.map(({ metadata }) => metadata.name);
    const saved = plans.flatMap(({ status }) => status?.savings ?? []);
    const which =
      plans.length === 1
        ? `Plan ${first.metadata.name} is`
        : `Plans ${names.join(', ')}, which share no node, are`;
    const ready = first.spec.execute
      ? `${which} ready and will be executed`
      : `${which} ready: set ${plans.length === 1 ? 'its' : 'their'} spec.execute to true to execute ${plans.length === 1 ? 'it' : 'them'}`;
    const message = sentences([ready, ...[o.priceWarning() ?? [], o.notes?.() ?? [], goesPast].flat()]);
    await setState(
      claim,
      'Ready',
      { reason: 'PlanReady', message },
      {
        planId: planIdOf(first),
        rebalanceName: first.metadata.name,
        ...(plans.length > 1 && { rebalanceNames: names }),
        ...(saved.length > 0 && { projectedSavingsPercent: savingsOfAll(saved).projectedSavingsPercent }),
      },
      signal,
    );
  };

  const fail = (
    claim: RebalancePlanClaim,
    reason: string,
    message: string,
    signal: AbortSignal,
  ): Promise<RebalancePlanClaim> => setState(claim, 'Failed', { reason, message }, {}, signal);

  /** Searches for plans and stores them; the claim is Ready, Skipped or Failed afterwards. */
  const generate = async (
    asked: RebalancePlanClaim,
    catalogue: Catalogue,
    leftMs: number,
    signal: AbortSignal,
  ): Promise<void> => {
    const { scope, nodeConstraints, aggressiveModeConfig } = asked.spec;
    const searches = new SearchLog();
    const maxCores = o.maxCores?.();
    // 1. Search, over the current state of the caches.
    const request = {
      snapshot: await gatherForPlans({ ...o, signal }),
      catalogue,
      now: o.clock.now(),
      seed: SEED,
      timeBudgetMs: Math.min(o.timeBudgetMs, leftMs),
      planName: planNameFor(asked),
      surgeSingleReplicas: o.surgeByDefault,
      ...(o.schedulers && { schedulers: o.schedulers }),
      ...(maxCores !== undefined && { maxCores }),
      ...(scope && { scope }),
      ...mustGoNodes(asked.spec),
      ...leastSavingsOf(asked.spec),
      ...(nodeConstraints && { constraints: nodeConstraints }),
      ...(aggressiveModeConfig && { aggressive: aggressiveModeConfig }),
    };
    const { answer, claim } = await whileTelling(
      (ending) =>
        planInParts(request, {
          planning: o.planning,
          planNameOf: (part) => planNameFor(asked, part),
          begin: searches.begin,
          timeoutMs: leftMs,
          now: o.clock.now,
          signal: ending,
        }),
      {
        client,
        claim: asked,
        searches,
        everyMs: o.tellEveryMs ?? TELL_EVERY_MS,
        endsAt: o.clock.now() + leftMs,
        log: o.log,
        now: o.clock.now,
        signal,
      },
    );
    const rejection = rejectionOf(claim, answer, o.notes?.());
    if (rejection) {
      await setState(claim, rejection.state, rejection.explanation, selectionOf(answer), signal);
      return;
    }
    // 2. Store.
    const selected = await writeClaimStatus(
      client,
      claim,
      { ...claim.status, ...selectionOf(answer) },
      signal,
    );
    const plans = answer.plans.map(({ spec, savings }, at) => ({
      plan: buildPlan(claim, spec, at + 1),
      savings,
    }));
    await dropOtherPlans(
      client,
      claim,
      plans.map(({ plan }) => plan),
      signal,
    );
    const [first, ...others] = await storePlans(client, plans, signal);
    if (first) await setReady(selected, [first, ...others], answer.goesPast ?? [], signal);
  };

  /** Ends a claim for an error that a retry would only repeat; others are thrown. */
  const failFor = async (name: string, error: unknown, signal: AbortSignal): Promise<void> => {
    const failure = failureOf(error);
    const claim = failure && (await readClaim(client, name, signal));
    if (!failure || !claim) throw error;
    await fail(claim, failure.reason, failure.message, signal);
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
      const [existing, ...others] = await findPlans(client, claim, signal);
      if (existing) {
        // An earlier process ended after it had stored the plans and before it updated the claim.
        const found = [existing, ...others];
        const [first, ...rest] = claim.spec.autoExecute ? await startPlans(client, found, signal) : found;
        if (first) await setReady(claim, [first, ...rest], [], signal);
        return awaitChange;
      }
      const timeout =
        parseDuration(claim.spec.timeouts?.planGenerationTimeout ?? '') ?? GENERATION_TIMEOUT_MS;
      const startTime = claim.status?.startTime ?? new Date(o.clock.now()).toISOString();
      const leftMs = Date.parse(startTime) + timeout - o.clock.now();
      if (leftMs <= 0) {
        const last = claim.status?.conditions?.find((c) => c.type === 'Planned')?.message ?? '';
        const message = `No plan was ready within ${Math.round(timeout / 1000)} s (${last}): raise timeouts.planGenerationTimeout, or narrow the scope.`;
        await fail(claim, 'FailureReasonGenerationTimeout', message, signal);
        return awaitChange;
      }
      let catalogue: Catalogue;
      try {
        catalogue = await o.catalogue();
      } catch (error) {
        const message = `Waiting for instance types and prices from the cloud: ${messageOf(error)}`;
        if (state !== 'Pending' || !claim.status?.conditions?.some((c) => c.message === message)) {
          await setState(claim, 'Pending', { reason: 'WaitingForCloud', message }, { startTime }, signal);
        }
        return requeue(Math.min(CLOUD_RETRY_MS, leftMs));
      }
      if (state !== 'Generating') {
        claim = await setState(
          claim,
          'Generating',
          { reason: 'Generating', message: LOOKING },
          { operationId: planNameFor(claim), startTime },
          signal,
        );
      }
      await generate(claim, catalogue, leftMs, signal).catch((error) => failFor(name, error, signal));
      return awaitChange;
    },
  };
};
