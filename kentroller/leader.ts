import type { Registry } from 'prom-client';
import { isEnabled } from '../api/features.ts';
import type { ConfigMap } from '../api/objects.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { remoteOf } from '../kube/component/componentoptions.ts';
import type { Logger } from '../kube/component/log.ts';
import { runControllers } from '../kube/controller/controller.ts';
import { createRecorder } from '../kube/controller/events.ts';
import { messageOf } from '../kube/errors.ts';
import { createFeatureRecord } from '../kube/features/record.ts';
import { watchFeatures } from '../kube/features/watch.ts';
import type { Catalogue } from '../planner/model/catalogue.ts';
import { audited } from './audit/client.ts';
import { sendAudit } from './audit/remote.ts';
import { auditedRecorder, createAudit } from './audit/trail.ts';
import type { Caches } from './caches.ts';
import { findPrice, withoutUnavailable } from './cloud/availability.ts';
import type { Cloud } from './cloud/cloud.ts';
import { createNodeNames } from './cloud/nodenames.ts';
import { rebalanceContinuously } from './continuous/run.ts';
import { continuousSettings, pollingPeriodMs, searchDepth } from './continuous/settings.ts';
import { followKarpenter } from './followkarpenter/controller.ts';
import { Derivation, type FollowLimits } from './followkarpenter/derivation.ts';
import type { Options } from './options.ts';
import { Feed } from './pinning/extraintents.ts';
import { Board } from './pinning/intentregistry.ts';
import { keepPosted } from './pinning/publish.ts';
import type { PinningServer } from './pinning/server.ts';
import { executePlans } from './rebalanceplan/controller.ts';
import { migrationSettings } from './rebalanceplan/drain/livemigrationsettings.ts';
import { limitsOf } from './rebalanceplan/state/executionlimits.ts';
import type { ExecutionLimits } from './rebalanceplan/state/state.ts';
import { probeWebhook } from './rebalanceplan/state/webhookprobe.ts';
import { followPlans } from './rebalanceplanclaim/follow.ts';
import { generatePlans } from './rebalanceplanclaim/generate.ts';
import { planOnThread } from './rebalanceplanclaim/planning.ts';
import { countRefusals, verified } from './rebalanceplanclaim/verified.ts';
import { fireSchedules } from './rebalanceplanschedule/fire.ts';
import { connectPlanner } from './remote/client.ts';
import { openAccount } from './savings/account.ts';
import { expireOfferings } from './unavailableoffering/expire.ts';

const SEARCH_STEP_MS = 250;

const executionLimits = (o: Options): ExecutionLimits => ({
  joinDeadlineMs: o.nodeJoinDeadline,
  drainTimeoutMs: o.nodeDrainTimeout,
  executionTimeoutMs: o.rebalanceExecutionTimeout,
  pinTimeoutMs: o.pinAcknowledgeTimeout,
  pinHoldMs: o.pinHoldTimeout,
  settleTimeoutMs: o.planSettleTimeout,
  planExpiryMs: o.planExpiry,
  maxSimultaneousDrains: o.maxSimultaneousDrains,
  haltPercent: o.unhealthyHaltPercent,
  haltNodes: o.unhealthyHaltNodes,
});

const followLimits = (o: Options): FollowLimits => ({
  joinDeadlineMs: o.nodeJoinDeadline,
  holdMs: o.pinHoldTimeout,
  settleMs: o.followSettlePeriod,
});

/** The leader's work: every controller, and the pin stream. All writes go through the client that is given. */
export const lead = async (o: {
  readonly options: Options;
  readonly client: KubeClient;
  readonly caches: Caches;
  /** ConfigMaps of the namespaces that features are read from. */
  readonly configMaps: readonly Cache<ConfigMap>[];
  readonly cloud: Cloud;
  readonly pinning: PinningServer;
  readonly registry: Registry;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { options, caches, cloud, log, signal } = o;
  const clock = { now: Date.now };
  const remoteAudit = options.apiUrl
    ? sendAudit({
        url: options.apiUrl,
        apiKey: options.apiKey,
        clusterId: options.clusterId,
        log,
        metrics: o.registry,
      })
    : undefined;
  const audit = createAudit({ log, now: clock.now, ...(remoteAudit ? { outbox: remoteAudit } : {}) });
  const client = audited(o.client, audit);
  const openRecorder = () =>
    auditedRecorder(createRecorder({ client: o.client, component: 'castai-kentroller', log }), audit);
  const recorder = openRecorder();
  const board = new Board(clock.now);
  const nodeNames = createNodeNames({ cloud, log, signal });
  const feed = new Feed();
  const follow = { caches, nodeNames, feed, limits: followLimits(options), now: clock.now };
  const derivation = options.followKarpenter ? new Derivation(follow) : undefined;
  // The pinner takes what it is not told for gone, so everything is worked out before it is told the first time.
  derivation?.derive();
  keepPosted({ board, caches, nodeNames, joinDeadlineMs: options.nodeJoinDeadline, feed, log, signal });
  const stopServing = o.pinning.serve(board);

  const remote = options.grpcUrl
    ? connectPlanner({
        remote: remoteOf(options),
        apiKey: options.apiKey,
        clusterId: options.clusterId,
        log,
      })
    : undefined;

  const account = await openAccount({
    client,
    namespace: options.podNamespace,
    log,
    now: clock.now,
    registry: o.registry,
    signal,
  });
  const limits = executionLimits(options);
  let prices: Catalogue = { instanceTypes: [] };
  const catalogue = async (): Promise<Catalogue> => {
    prices = await cloud.catalogue();
    return withoutUnavailable(prices, caches.unavailable.list(), clock.now());
  };
  catalogue().catch((error: unknown) => {
    log.info({ reason: messageOf(error) }, 'prices are not known yet');
  });

  const features = await watchFeatures({
    caches: o.configMaps,
    name: options.dynamicConfigMapName,
    record: createFeatureRecord({ client, namespace: options.podNamespace, log }),
    recorder,
    log,
    signal,
    metrics: o.registry,
  });
  const rebalances = (): boolean => isEnabled(features.current(), 'rebalancer', options.rebalancerEnabled);
  const refusals = countRefusals(o.registry);
  const continuous = rebalanceContinuously({
    client,
    caches,
    catalogue,
    planning: verified(planOnThread, { source: 'continuous', refusals, log }),
    settings: () => continuousSettings(options, features.current()),
    timeBudgetMs: () => searchDepth(options, features.current()) * SEARCH_STEP_MS,
    pollingPeriodMs: () => pollingPeriodMs(options, features.current()),
    recorder,
    audit,
    log,
    clock,
    signal,
  });

  try {
    await runControllers({
      controllers: [
        generatePlans({
          client,
          caches,
          catalogue,
          planning: verified(remote?.planning ?? planOnThread, { source: 'claim', refusals, log }),
          isEnabled: rebalances,
          timeBudgetMs: options.planTimeBudget,
          recorder,
          log,
          clock,
        }),
        followPlans({ client, caches, recorder, log, clock }),
        fireSchedules({ client, caches, isEnabled: rebalances, recorder, log, clock }),
        expireOfferings({ client, caches, log, clock }),
        executePlans({
          client,
          caches,
          pinsOf: (plan) => board.viewOf(plan),
          webhookOf: (plan, gone) => probeWebhook(client, options.podNamespace, plan, gone),
          priceOf: (...offering) => findPrice(prices, ...offering),
          limitsOf: (plan) => limitsOf(plan, limits),
          migration: () => migrationSettings(options, features.current()),
          surges: () => options.surgeSingleReplicas,
          account,
          isEnabled: rebalances,
          recorder,
          podRecorder: openRecorder(),
          log,
          clock,
        }),
        ...(derivation
          ? [followKarpenter({ client, caches, derivation, limits: follow.limits, recorder, log, clock })]
          : []),
      ],
      concurrency: options.rebalancerMaxConcurrentReconciles,
      signal,
      log,
      metrics: o.registry,
    });
    await continuous;
  } finally {
    stopServing();
    remote?.close();
    await remoteAudit?.close();
  }
};
