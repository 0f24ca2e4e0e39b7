import type { Registry } from 'prom-client';
import type { Features } from '../api/features.ts';
import type { Pod } from '../api/objects.ts';
import { EVICTOR_CONFIGS } from '../api/resources.ts';
import type { Cloud } from '../cloud/cloud.ts';
import { createCache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { remoteOf } from '../kube/component/componentoptions.ts';
import type { Logger } from '../kube/component/log.ts';
import type { Controller } from '../kube/controller/controller.ts';
import type { Recorder } from '../kube/controller/events.ts';
import type { Audit } from './audit/trail.ts';
import type { Caches } from './caches.ts';
import { planCatalogue } from './cloud/plancatalogue.ts';
import { listPricesWarning, priceWarning } from './cloud/rememberedcloud.ts';
import { rebalanceContinuously } from './continuous/run.ts';
import { continuousSettings, pollingPeriodMs, searchDepth } from './continuous/settings.ts';
import { evictorMetrics } from './evictor/metrics.ts';
import { evictContinuously } from './evictor/run.ts';
import { replaceExpiring } from './mustgo/replaceexpiring.ts';
import { restoreSpot } from './mustgo/restorespot.ts';
import { expirySettings } from './mustgo/settings.ts';
import type { Options } from './options.ts';
import { servesOthersNodes, withoutOthersNodes } from './othersnodes.ts';
import { withinLimits } from './policies/planlimits.ts';
import type { PolicyRecord } from './policies/record.ts';
import type { PoliciesNow } from './policies/settings.ts';
import type { Clock } from './rebalanceplan/controller.ts';
import type { ExecutionLimits } from './rebalanceplan/state/state.ts';
import { createPlanGenerationController } from './rebalanceplanclaim/generate.ts';
import { type Planning, planOnThread } from './rebalanceplanclaim/plannerworker.ts';
import { createPlanProgressController } from './rebalanceplanclaim/planprogress.ts';
import { countRefusals, verified } from './rebalanceplanclaim/verified.ts';
import { createScheduleController } from './rebalanceplanschedule/controller.ts';
import { connectPlanner } from './remote/client.ts';
import { unreadKinds } from './snapshot.ts';
import { scarceSpot } from './spotprediction/placement/scarce.ts';
import { PlacementScores } from './spotprediction/placement/scores.ts';
import { predictionSettings } from './spotprediction/settings.ts';
import { predictInterruptions } from './spotprediction/start.ts';
import { startUnscheduledPods } from './unscheduledpods/start.ts';

/** Milliseconds of search per step of the continuous cycle's search depth. */
const SEARCH_STEP_MS = 250;

interface PlanMakingOptions {
  readonly options: Options;
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly cloud: Cloud;
  readonly features: () => Features;
  readonly policies: () => PoliciesNow;
  readonly policyRecord: PolicyRecord;
  readonly onPolicyChange: (handler: () => void) => () => void;
  /** Pods that the headroom of the policies stands for. */
  readonly headroom: () => readonly Pod[];
  readonly maxCores: () => number | undefined;
  readonly isEnabled: () => boolean;
  readonly limits: ExecutionLimits;
  readonly recorder: Recorder;
  /** A recorder for pods, whose events would use up the rate limit of the plans'. */
  readonly podRecorder: Recorder;
  readonly audit: Audit;
  readonly registry: Registry;
  readonly log: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What makes plans in a leader's term. */
export interface PlanMaking {
  /** Those that make plans from claims and schedules. */
  readonly controllers: readonly Controller[];
  /** Settles when the cycles that make plans unasked have ended. */
  readonly ended: Promise<unknown>;
  close(): void;
}

/** Starts the cycles that make plans unasked, until the signal aborts; the controllers are for the caller to run. */
export const makePlans = (o: PlanMakingOptions): PlanMaking => {
  const {
    options,
    client,
    caches,
    cloud,
    features,
    isEnabled,
    recorder,
    audit,
    registry,
    log,
    clock,
    signal,
  } = o;
  const placement = new PlacementScores();
  const { catalogue, notes } = planCatalogue({
    cloud,
    caches,
    policies: o.policies,
    scarceSpot: () => scarceSpot(predictionSettings(options, features()), placement, clock.now()),
    now: clock.now,
  });
  const remotePlanner = options.grpcUrl
    ? connectPlanner({
        remote: remoteOf(options),
        apiKey: options.apiKey,
        clusterId: options.clusterId,
        log,
      })
    : undefined;

  const moves = { isOn: options.rebalancerMovesToOthersNodes, isServed: servesOthersNodes(client, log) };
  const limitedMoves = (planning: Planning): Planning => withoutOthersNodes(planning, moves);
  const onThread = limitedMoves(planOnThread);
  const refusals = countRefusals(registry);
  const limited = { caches, policies: o.policies };
  const cycling = {
    client,
    caches,
    catalogue,
    surgeByDefault: options.surgeSingleReplicas,
    schedulers: options.schedulerNames,
    headroom: o.headroom,
    maxCores: o.maxCores,
    policies: o.policies,
    priceGap: () => listPricesWarning(cloud.readings?.() ?? []),
    recorder,
    audit,
    log,
    clock,
    signal,
  };
  const continuous = rebalanceContinuously({
    ...cycling,
    planning: withinLimits(verified(onThread, { source: 'continuous', refusals, log }), limited),
    settings: () => continuousSettings(options, features()),
    timeBudgetMs: () => searchDepth(options, features()) * SEARCH_STEP_MS,
    pollingPeriodMs: () => pollingPeriodMs(options, features()),
  });

  const configs = createCache({ client, log, resource: EVICTOR_CONFIGS, isOptional: true });
  configs.start(signal);
  const evicting = evictContinuously({
    ...cycling,
    configs,
    planning: withinLimits(verified(onThread, { source: 'evictor', refusals, log }), limited),
    features,
    record: o.policyRecord,
    isEnabled,
    timeBudgetMs: () => options.planTimeBudget,
    metrics: evictorMetrics(registry),
  });

  const expiring = replaceExpiring({
    ...cycling,
    planning: verified(onThread, { source: 'expiry', refusals, log }),
    settings: () => expirySettings(options, features()),
    timeBudgetMs: () => options.planTimeBudget,
    registry,
  });
  const predicting = predictInterruptions({
    ...cycling,
    options,
    features,
    limits: o.limits,
    isRebalancerEnabled: isEnabled,
    cloud,
    placement,
    registry,
  });

  const restoring = restoreSpot({
    ...cycling,
    planning: verified(onThread, { source: 'spot-fallback', refusals, log }),
    policies: o.policies,
    isEnabled,
    record: o.policyRecord,
    timeBudgetMs: () => options.planTimeBudget,
    registry,
  });

  const unscheduled = startUnscheduledPods({
    client,
    caches,
    catalogue,
    policies: { now: o.policies, onChange: o.onPolicyChange },
    record: o.policyRecord,
    isEnabled,
    options,
    recorder,
    podRecorder: o.podRecorder,
    audit,
    registry,
    log,
    clock,
    signal,
  });

  return {
    controllers: [
      createPlanGenerationController({
        client,
        caches,
        catalogue,
        planning: withinLimits(
          verified(limitedMoves(remotePlanner?.planning ?? planOnThread), { source: 'claim', refusals, log }),
          limited,
        ),
        notes: () => [...unreadKinds(caches), ...notes()],
        priceWarning: () => priceWarning(cloud.readings?.() ?? [], clock.now()),
        isEnabled,
        timeBudgetMs: options.planTimeBudget,
        surgeByDefault: options.surgeSingleReplicas,
        schedulers: options.schedulerNames,
        headroom: o.headroom,
        maxCores: o.maxCores,
        recorder,
        log,
        clock,
      }),
      createPlanProgressController({ client, caches, recorder, log, clock }),
      createScheduleController({ client, caches, isEnabled, recorder, log, clock }),
    ],
    ended: Promise.all([continuous, evicting, expiring, restoring, predicting, unscheduled.ended]),
    close: () => remotePlanner?.close(),
  };
};
