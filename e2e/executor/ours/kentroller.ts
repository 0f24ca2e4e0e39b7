import type { Result } from '../../../api/pinning.ts';
import { givesSlots } from '../../../api/plans.ts';
import * as resources from '../../../api/resources.ts';
import { CACHED_NODE_INDEXES, CACHED_POD_INDEXES, type Caches, nodeOf } from '../../../kentroller/caches.ts';
import { createOfferingsReader } from '../../../kentroller/cloud/offerings.ts';
import { DerivedIntents } from '../../../kentroller/pinning/derivedintents.ts';
import { IntentRegistry } from '../../../kentroller/pinning/intentregistry.ts';
import { executePlans } from '../../../kentroller/rebalanceplan/controller.ts';
import { reclaimNodes } from '../../../kentroller/rebalanceplan/reclaim.ts';
import { limitsOf } from '../../../kentroller/rebalanceplan/state/executionlimits.ts';
import { RecentOrders } from '../../../kentroller/rebalanceplan/state/recentorders.ts';
import type { ExecutionLimits } from '../../../kentroller/rebalanceplan/state/state.ts';
import { giveBackStrays } from '../../../kentroller/rebalanceplan/strays.ts';
import { createLogger } from '../../../kube/component/log.ts';
import type { Recorder } from '../../../kube/controller/events.ts';
import { NO_GUARDS } from '../../../kube/undo/guards.ts';
import type { Catalogue } from '../../../planner/model/catalogue.ts';
import { Process, type ProcessOptions } from './process.ts';

const PUBLISH_MS = 20;

export const log = createLogger({ component: 'executor-model', level: 'silent' });

/** Shorter than the product's, so that a history reaches them. */
export const LIMITS: ExecutionLimits = {
  joinDeadlineMs: 90_000,
  drainTimeoutMs: 60_000,
  executionTimeoutMs: 400_000,
  pinTimeoutMs: 10_000,
  pinHoldMs: 10_000,
  settleTimeoutMs: 30_000,
  planExpiryMs: 600_000,
  maxSimultaneousDrains: 2,
  maxUnlaunchedNodeClaims: 2,
  haltPercent: 45,
  haltNodes: 3,
};

export interface KentrollerOptions extends ProcessOptions {
  readonly catalogue: () => Catalogue;
  /** Name of the Node that the cloud gives a machine, by provider id. */
  readonly nodeNameOf: (providerID: string) => string | undefined;
  readonly isWebhookLive: () => boolean;
  readonly recorder: Recorder;
}

/** One life of kentroller: the executor and the pin stream. */
export class Kentroller {
  readonly process: Process;
  readonly registry: IntentRegistry;

  constructor(o: KentrollerOptions) {
    const process = new Process(o);
    this.process = process;
    this.registry = new IntentRegistry(o.simulation.now);
    const caches: Caches = {
      plans: process.cache(resources.REBALANCE_PLANS),
      claims: process.cache(resources.REBALANCE_PLAN_CLAIMS),
      schedules: process.cache(resources.REBALANCE_PLAN_SCHEDULES),
      migrations: process.cache(resources.REBALANCE_MIGRATION_PLANS),
      unavailable: process.cache(resources.UNAVAILABLE_OFFERINGS),
      nodes: process.cache(resources.NODES, CACHED_NODE_INDEXES),
      pods: process.cache(resources.PODS, CACHED_POD_INDEXES),
      nodePools: process.cache(resources.NODE_POOLS),
      nodeClaims: process.cache(resources.NODE_CLAIMS),
      daemonSets: process.cache(resources.DAEMON_SETS),
      replicaSets: process.cache(resources.REPLICA_SETS),
      podDisruptionBudgets: process.cache(resources.POD_DISRUPTION_BUDGETS),
      persistentVolumeClaims: process.cache(resources.PERSISTENT_VOLUME_CLAIMS),
      persistentVolumes: process.cache(resources.PERSISTENT_VOLUMES),
      storageClasses: process.cache(resources.STORAGE_CLASSES),
      csiNodes: process.cache(resources.CSI_NODES),
      namespaces: process.cache(resources.NAMESPACES),
      limitRanges: process.cache(resources.LIMIT_RANGES),
      ec2NodeClasses: process.cache(resources.EC2_NODE_CLASSES),
      autoNodeClasses: process.cache(resources.AUTO_NODE_CLASSES),
      nodeOverlays: process.cache(resources.NODE_OVERLAYS),
    };
    this.#publish(caches, o);
    process.run(reclaimNodes({ client: process.client, caches, log }));
    process.run(giveBackStrays({ client: process.client, caches, podRecorder: o.recorder, log }));
    process.run(
      executePlans({
        client: process.client,
        caches,
        pinsOf: (plan) => this.registry.viewOf(plan),
        webhookOf: async () => ({ isLive: o.isWebhookLive(), reason: '' }),
        offeringsNow: createOfferingsReader({ catalogue: async () => o.catalogue() }),
        limitsOf: (plan) => limitsOf(plan, LIMITS),
        migration: () => ({ mode: 'never', answerTimeoutMs: 0, timeoutMs: 0 }),
        surgeByDefault: () => false,
        isEnabled: () => true,
        orders: new RecentOrders(),
        guards: NO_GUARDS,
        account: { add: async () => {} },
        recorder: o.recorder,
        podRecorder: o.recorder,
        log,
        clock: { now: o.simulation.now },
      }),
    );
  }

  /** As pinning/publish.ts, on the virtual clock. */
  #publish(caches: Caches, o: KentrollerOptions): void {
    const derived = new DerivedIntents({
      claim: (name) => caches.nodeClaims.get(name),
      node: (claim) => nodeOf(caches, claim),
      nodeNamed: (name) => caches.nodes.get(name),
      pod: (namespace, name) => caches.pods.get(`${namespace}/${name}`),
      nodeName: o.nodeNameOf,
      joinDeadlineMs: LIMITS.joinDeadlineMs,
    });
    let isScheduled = false;
    const publish = (): void => {
      isScheduled = false;
      const plans = caches.plans.list();
      const complete = new Set(plans.filter(givesSlots).map(({ metadata }) => metadata.name));
      this.registry.replaceAll(derived.of(plans), complete);
    };
    const schedule = (): void => {
      if (isScheduled) return;
      isScheduled = true;
      o.simulation.after(PUBLISH_MS, () => {
        if (!this.process.isDead) publish();
      });
    };
    caches.plans.onChange(schedule);
    caches.nodeClaims.onChange(schedule);
    caches.nodes.onChange((change) => {
      const hasNewId =
        change.type === 'update' && change.old.spec?.providerID !== change.object.spec?.providerID;
      if (change.type !== 'update' || hasNewId) schedule();
    });
    publish();
  }

  record(result: Result): void {
    if (!this.process.isDead) this.registry.record(result);
  }
}
