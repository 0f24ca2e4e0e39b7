import type { Registry } from 'prom-client';
import { isEnabled } from '../api/features.ts';
import type { ConfigMap } from '../api/objects.ts';
import type { Cloud } from '../cloud/cloud.ts';
import { linkedController } from '../kube/abort.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { runControllers } from '../kube/controller/controller.ts';
import { createRecorder } from '../kube/controller/events.ts';
import { createFeatureRecord } from '../kube/features/record.ts';
import { watchFeatures } from '../kube/features/watch.ts';
import { type Guards, NO_GUARDS } from '../kube/undo/guards.ts';
import { createAuditedClient } from './audit/auditedclient.ts';
import { createAuditSender } from './audit/sender.ts';
import { createAudit, createAuditedRecorder } from './audit/trail.ts';
import type { Caches } from './caches.ts';
import { createCatalogueStore } from './cloud/cataloguestore.ts';
import { createNodeNameCache } from './cloud/nodenamecache.ts';
import { createOfferingsReader, overlaysIn } from './cloud/offerings.ts';
import { rememberCatalogue } from './cloud/rememberedcloud.ts';
import { registerShifts } from './cloud/shiftmetrics.ts';
import { NAME as CONSOLIDATION } from './consolidation/controller.ts';
import { consolidationControllers } from './consolidation/controllers.ts';
import { createFollowController } from './followkarpenter/controller.ts';
import { Derivation } from './followkarpenter/derivation.ts';
import { leaveCluster, untilGuardsLeave } from './leave.ts';
import { executionLimits, followLimits } from './limits.ts';
import { makePlans } from './makeplans.ts';
import type { Options } from './options.ts';
import { ExtraIntents } from './pinning/extraintents.ts';
import { IntentRegistry } from './pinning/intentregistry.ts';
import { publishIntents } from './pinning/publish.ts';
import type { PinningServer } from './pinning/server.ts';
import { planLimit } from './policies/planlimits.ts';
import { recordPolicies } from './policies/record.ts';
import { watchPolicies } from './policies/watch.ts';
import { executePlans } from './rebalanceplan/controller.ts';
import { migrationSettings } from './rebalanceplan/drain/livemigrationsettings.ts';
import { reclaimNodes } from './rebalanceplan/reclaim.ts';
import { limitsOf } from './rebalanceplan/state/executionlimits.ts';
import { RecentOrders } from './rebalanceplan/state/recentorders.ts';
import { probePolicy, probeWebhook } from './rebalanceplan/state/webhookprobe.ts';
import { giveBackStrays } from './rebalanceplan/strays.ts';
import { openSavingsStore } from './savings/savingsstore.ts';
import { createSoftPins, createSoftPinsCache } from './softpins/controller.ts';
import { PlanSlots } from './softpins/planslots.ts';
import { createOfferingExpiryController } from './unavailableoffering/controller.ts';
import { clusterLimitNow, headroomNow } from './unscheduledpods/start.ts';

interface LeaderOptions {
  readonly options: Options;
  readonly client: KubeClient;
  readonly caches: Caches;
  /** Caches of the ConfigMaps that features are read from. */
  readonly configMaps: readonly Cache<ConfigMap>[];
  readonly cloud: Cloud;
  readonly pinning: PinningServer;
  readonly registry: Registry;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Keep the rights to undo plans; none where left out. */
  readonly guards?: Guards;
  /** Aborts when nobody comes after this leader: it undoes its plans, and its term ends. */
  readonly leaving?: AbortSignal;
}

/** Runs the controllers and serves the pin stream until the term ends. All writes go through the fenced `client`. */
export const runLeader = async (o: LeaderOptions): Promise<void> => {
  try {
    await lead(o);
  } catch (error) {
    if (!o.leaving?.aborted || o.signal.aborted) throw error;
    const { client, guards = NO_GUARDS, log, signal } = o;
    const intentRegistry = new IntentRegistry(Date.now);
    await leaveCluster({ client, intentRegistry, guards, now: Date.now, log, signal });
  }
};

const lead = async (o: LeaderOptions): Promise<void> => {
  const { options, caches, log, guards = NO_GUARDS } = o;
  const { controller: work, unlink } = linkedController(o.signal, ...(o.leaving ? [o.leaving] : []));
  const { signal } = work;
  const clock = { now: Date.now };
  const cloud = rememberCatalogue({
    cloud: o.cloud,
    store: createCatalogueStore({ client: o.client, namespace: options.podNamespace }),
    cluster: () => ({ nodes: caches.nodes.list(), nodePools: caches.nodePools.list() }),
    log,
    now: clock.now,
    registry: o.registry,
    signal,
  });
  registerShifts(o.registry, cloud.zonalShifts);
  const auditSender = options.apiUrl
    ? createAuditSender({
        url: options.apiUrl,
        apiKey: options.apiKey,
        clusterId: options.clusterId,
        log,
        metrics: o.registry,
      })
    : undefined;
  const audit = createAudit({ log, now: clock.now, ...(auditSender && { sink: auditSender }) });
  const client = createAuditedClient(o.client, audit);
  const openRecorder = () =>
    createAuditedRecorder(createRecorder({ client: o.client, component: 'castai-kentroller', log }), audit);
  const recorder = openRecorder();
  const intentRegistry = new IntentRegistry(clock.now);
  const nodeNames = createNodeNameCache({ cloud, log, signal });
  const extraIntents = new ExtraIntents();
  const followOptions = {
    caches,
    nodeNames,
    extraIntents,
    limits: followLimits(options),
    schedulers: options.schedulerNames,
    now: clock.now,
  };
  const derivation = options.followKarpenter ? new Derivation(followOptions) : undefined;
  const features = await watchFeatures({
    caches: o.configMaps,
    name: options.dynamicConfigMapName,
    record: createFeatureRecord({ client, namespace: options.podNamespace, log }),
    recorder,
    log,
    signal,
    metrics: o.registry,
  });
  const areSoftPinsOn = (): boolean =>
    isEnabled(features.current(), 'softPins', options.pinning === 'policy');
  const planSlots = new PlanSlots();
  // The pinner drops intents that a snapshot lacks, so all of them are derived before the stream is served.
  derivation?.derive();
  publishIntents({
    intentRegistry,
    caches,
    nodeNames,
    joinDeadlineMs: options.nodeJoinDeadline,
    extraIntents,
    soft: { slots: planSlots, isOn: areSoftPinsOn, onChange: features.onChange },
    log,
    signal,
  });
  const softPins = createSoftPins({
    client,
    namespace: options.podNamespace,
    caches: { ...caches, softPins: createSoftPinsCache({ client, log }) },
    planSlots,
    log,
  });
  const stopServing = o.pinning.serve(intentRegistry);

  const savings = await openSavingsStore({
    client,
    namespace: options.podNamespace,
    log,
    now: clock.now,
    registry: o.registry,
    signal,
  });
  const limits = executionLimits(options);
  const offeringsNow = createOfferingsReader(cloud, overlaysIn(caches));

  const policies = await watchPolicies({
    client,
    namespace: options.podNamespace,
    features: features.current,
    log,
    signal,
  });
  const policyRecord = recordPolicies({ client, policies, log, now: clock.now, signal });
  const isRebalancerEnabled = (): boolean =>
    isEnabled(features.current(), 'rebalancer', options.rebalancerEnabled);
  const headroom = headroomNow(policies.now, caches);
  const { maxCores, isKnown: knowsLimits } = clusterLimitNow(policies.now);
  const plans = makePlans({
    options,
    client,
    caches,
    cloud,
    features: features.current,
    policies: policies.now,
    policyRecord,
    onPolicyChange: (handler) => policies.cache.onChange(handler),
    headroom,
    maxCores,
    isEnabled: isRebalancerEnabled,
    limits,
    recorder,
    podRecorder: openRecorder(),
    audit,
    registry: o.registry,
    log,
    clock,
    signal,
  });

  const watchingGuards = untilGuardsLeave(guards, log, signal).then(() => work.abort());
  try {
    await runControllers({
      controllers: [
        ...plans.controllers,
        createOfferingExpiryController({ client, caches, log, clock }),
        reclaimNodes({ client, caches, log }),
        ...consolidationControllers({
          client,
          caches,
          configMaps: o.configMaps,
          features: features.current,
          policies,
          policyRecord,
          options,
          headroom,
          recorder: openRecorder(),
          log,
          clock,
          metrics: o.registry,
        }),
        giveBackStrays({ client, caches, podRecorder: openRecorder(), log }),
        softPins.controller,
        executePlans({
          client,
          caches,
          pinsOf: (plan) => softPins.viewOf(plan) ?? intentRegistry.viewOf(plan),
          webhookOf: (plan, probeSignal) =>
            (softPins.viewOf(plan.metadata.name) ? probePolicy : probeWebhook)(
              client,
              options.podNamespace,
              plan,
              probeSignal,
            ),
          offeringsNow,
          zonalShifts: () => cloud.zonalShifts?.(),
          limitOf: planLimit({ caches, policies: policies.now }),
          orders: new RecentOrders(),
          limitsOf: (plan) => limitsOf(plan, limits),
          migration: () => migrationSettings(options, features.current()),
          surgeByDefault: () => options.surgeSingleReplicas,
          schedulers: options.schedulerNames,
          maxCores,
          knowsLimits,
          account: savings,
          guards,
          isEnabled: isRebalancerEnabled,
          recorder,
          podRecorder: openRecorder(),
          log,
          clock,
        }),
        ...(derivation
          ? [
              createFollowController({
                client,
                caches,
                derivation,
                limits: followOptions.limits,
                recorder,
                log,
                clock,
                metrics: o.registry,
              }),
            ]
          : []),
      ],
      concurrency: (name) =>
        name === CONSOLIDATION
          ? options.nodeConsolidationMaxConcurrentReconciles
          : options.rebalancerMaxConcurrentReconciles,
      signal,
      log,
      metrics: o.registry,
    });
    await Promise.all([plans.ended, policyRecord.ended]);
    if (!o.signal.aborted) {
      await leaveCluster({ client, intentRegistry, guards, now: clock.now, log, signal: o.signal });
    }
  } finally {
    work.abort();
    unlink();
    await watchingGuards;
    stopServing();
    plans.close();
    await auditSender?.close();
  }
};
