import { Registry } from 'prom-client';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { GROUP_VERSION } from '../../api/labels.ts';
import * as resources from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { MemoryApi, typed } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import type { LaggingCache } from '../../kube/testing/memory/laggingcache.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import type { Caches } from '../caches.ts';
import { policiesNow } from '../policies/settings.ts';
import { type CycleMemory, runCycle } from '../spotprediction/cycle.ts';
import { OfferingHistory } from '../spotprediction/evidence.ts';
import { measuredScoreboard, predictionMetrics } from '../spotprediction/metrics.ts';
import type { PredictionSettings } from '../spotprediction/settings.ts';
import type { Prediction, Signal, SignalKind } from '../spotprediction/signal.ts';
import { Listener, type SourceAnswer } from '../spotprediction/source.ts';
import { memoryCaches } from './memorycaches.ts';

const log = createLogger({ component: 'spot-world', level: 'silent' });
const START = Date.parse('2026-11-30T12:00:00Z');

export const PREDICTION: PredictionSettings = {
  enabled: true,
  shadow: false,
  modelName: '',
  pollIntervalMs: 60_000,
  cooldownMs: 15 * 60_000,
  threshold: 0.5,
  maxNodesPercent: 20,
  placementScoreFamilies: 0,
};

/** Spot interruption prediction in virtual time on an API server in memory, with an executor that always succeeds. */
export class SpotWorld {
  now = START;
  readonly api = new MemoryApi({ now: () => this.now });
  readonly registry = new Registry();
  /** Events: object, reason and message. */
  readonly events: string[] = [];
  settings: PredictionSettings = PREDICTION;
  isRebalancerEnabled = true;
  /** What the only source tells. */
  signals: Signal[] = [];
  predictions: Prediction[] = [];
  /** Spot placement score of every offering; undefined where nobody knows one. */
  placementScore: number | undefined;
  /** Replaced nodes, each with its successor. */
  readonly replaced: (readonly [string, string])[] = [];
  /** Wraps the client of each process. */
  wrap: (client: KubeClient) => KubeClient = (client) => client;
  #lagging: readonly LaggingCache<never>[] = [];
  readonly #scores = measuredScoreboard(this.registry);
  #made = 0;
  #life: { readonly caches: Caches; readonly client: KubeClient; readonly memory: CycleMemory } | undefined;

  /** A spot machine with its NodeClaim. */
  machine(
    name: string,
    o: { readonly type?: string; readonly capacityType?: string; readonly claim?: string } = {},
  ): void {
    const { node, claim } = makeNode(name, {
      type: o.type ?? 'm5.large',
      capacityType: o.capacityType ?? 'spot',
    });
    const claimName = o.claim ?? `claim-${name}`;
    const { creationTimestamp: _, ...metadata } = node.metadata;
    this.api.create(
      resources.NODE_CLAIMS,
      typed(resources.NODE_CLAIMS, { ...claim, metadata: { ...claim.metadata, name: claimName } }),
    );
    this.api.edit(resources.NODE_CLAIMS, { name: claimName }, (found) => ({
      ...found,
      ...(claim.status && { status: claim.status }),
    }));
    this.api.create(resources.NODES, typed(resources.NODES, { ...node, metadata }));
  }

  hear(node: string, kind: SignalKind): void {
    this.signals.push({ node, kind, at: this.now });
  }

  /** A new process: what the one before had in memory is lost. */
  start(): void {
    const { caches, lagging } = memoryCaches(this.api);
    this.#lagging = lagging;
    const client = this.wrap(memoryClient(this.api, async (_, serve) => serve()));
    this.#life = { caches, client, memory: { told: new Set() } };
  }

  /** One cycle over what the watches have by now. */
  async cycle(): Promise<string> {
    const life = this.#life;
    if (!life) throw new Error('no process was started');
    for (const cache of this.#lagging) cache.deliver(cache.pending);
    const listener = new Listener({
      name: 'world',
      poll: async (): Promise<SourceAnswer> => ({
        condition: { status: 'True', reason: 'Heard', message: 'It tells.' },
        signals: this.signals,
        predictions: this.predictions,
      }),
    });
    return runCycle(
      {
        ...life,
        catalogue: async () => ({ instanceTypes: [] }),
        listeners: [listener],
        history: new OfferingHistory(),
        scoreOf: () => this.placementScore,
        scores: this.#scores,
        record: { save: async () => {} },
        limits: { haltNodes: 3, haltPercent: 45 },
        isRebalancerEnabled: () => this.isRebalancerEnabled,
        policies: () => policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {}),
        recorder: {
          event: (_, { metadata }, _type, reason, message) =>
            void this.events.push(`${metadata.name} ${reason}: ${message}`),
          flush: async () => {},
        },
        metrics: predictionMetrics(this.registry),
        log,
        clock: { now: () => this.now },
        signal: new AbortController().signal,
      },
      this.settings,
      life.memory,
    );
  }

  claims(): readonly RebalancePlanClaim[] {
    return this.api.list(resources.REBALANCE_PLAN_CLAIMS);
  }

  nodes(): readonly string[] {
    return this.api.list(resources.NODES).map(({ metadata }) => metadata.name);
  }

  labelled(): readonly string[] {
    return this.api
      .list(resources.NODES)
      .filter(({ metadata }) => metadata.labels?.['autoscaling.cast.ai/predicted-interruption'] === 'true')
      .map(({ metadata }) => metadata.name);
  }

  /** Ends each claim that is older than this: its nodes are replaced by new ones, as a plan of it says. */
  execute(afterMs: number): void {
    for (const claim of this.claims()) {
      if (claim.status?.state || this.now - Date.parse(claim.metadata.creationTimestamp ?? '') < afterMs)
        continue;
      const bought: string[] = [];
      for (const name of claim.spec.scope?.nodeNames ?? []) {
        this.api.delete(resources.NODES, { name });
        const next = `n${++this.#made}`;
        const claimName = `${claim.metadata.name}-${next}`;
        this.machine(next, { claim: claimName });
        bought.push(claimName);
        this.replaced.push([name, next]);
        this.signals = this.signals.filter(({ node }) => node !== name);
      }
      const completionTime = new Date(this.now).toISOString();
      this.#storePlan(claim, bought, completionTime);
      this.api.edit(resources.REBALANCE_PLAN_CLAIMS, { name: claim.metadata.name }, (found) => ({
        ...found,
        status: { state: 'Completed' as const, completionTime },
      }));
    }
  }

  #storePlan(
    { metadata: { name, uid = '' } }: RebalancePlanClaim,
    bought: readonly string[],
    at: string,
  ): void {
    const ownerReferences = [
      { apiVersion: GROUP_VERSION, kind: 'RebalancePlanClaim', name, uid, controller: true },
    ];
    this.api.create(
      resources.REBALANCE_PLANS,
      typed(resources.REBALANCE_PLANS, {
        metadata: { name: `plan-${name}`, ownerReferences },
        spec: { execute: true },
      }),
    );
    this.api.edit(resources.REBALANCE_PLANS, { name: `plan-${name}` }, (plan: RebalancePlan) => ({
      ...plan,
      status: {
        state: 'Done' as const,
        completionTime: at,
        nodesCreation: Object.fromEntries(
          bought.map((nodeClaimName) => [
            nodeClaimName,
            {
              name: nodeClaimName,
              attempts: [
                { instanceType: 'm5.large', nodeClaimName, status: 'Success' as const, timestamp: at },
              ],
            },
          ]),
        ),
      },
    }));
  }
}
