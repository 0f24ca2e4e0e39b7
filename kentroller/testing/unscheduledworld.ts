import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { AWAITS_PLAN } from '../../api/labels.ts';
import type { HorizontalPodAutoscaler, NodePool, OwnerReference, Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, NODE_POOLS, NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { verifyPlan } from '../../planner/plan/verify.ts';
import { type ProvisionRequest, provision } from '../../planner/provision.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import type { Policies } from '../policies/settings.ts';
import { runCycle } from '../unscheduledpods/cycle.ts';
import type { CycleMemory, CycleOptions, Outcome } from '../unscheduledpods/cycleoptions.ts';
import type { Window } from '../unscheduledpods/decide.ts';
import { Memory } from '../unscheduledpods/memory.ts';
import { RoomRests } from '../unscheduledpods/room.ts';
import { StoredPlans } from '../unscheduledpods/storedplans.ts';
import { memoryCaches } from './memorycaches.ts';

/** Buying for pods without a node, over an API server in memory, with the planner as it is. */

const START = Date.parse('2026-11-30T12:00:00Z');
const log = createLogger({ component: 'unscheduled-world', level: 'silent' });

/** Policies of which only buying is in force. */
export const BUYING: Policies = {
  enabled: true,
  scopedMode: false,
  clusterLimits: undefined,
  horizontalPodAutoscaler: false,
  unschedulablePods: {
    mode: 'plan',
    headroom: undefined,
    headroomSpot: undefined,
    capacityBuffers: false,
    nodeConstraints: undefined,
  },
  spotInstances: undefined,
  spotPods: undefined,
  emptyNodes: undefined,
  evictor: undefined,
};

export class UnscheduledWorld {
  now = START;
  readonly api = new MemoryApi({ now: () => this.now });
  autoscalers: readonly HorizontalPodAutoscaler[] = [];
  followsKarpenter = false;
  catalogue: Catalogue = smallCatalogue;
  window: Window = { idleMs: 0, maxMs: 0 };
  readonly requests: ProvisionRequest[] = [];
  /** Events of pods: reason, pod and message. */
  readonly events: string[] = [];
  /** Runs while the planner searches. */
  whileSearching = (): void => {};

  constructor(pools: readonly NodePool[] = [makePool()]) {
    for (const pool of pools) this.api.create(NODE_POOLS, pool);
    this.addNode('full');
  }

  /** A node, by default one without room. CPU in millicores. */
  addNode(name: string, cpu = 100): void {
    const { node, claim } = makeNode(name, { cpu });
    this.api.create(NODES, node);
    this.api.create(NODE_CLAIMS, claim);
    const { status } = claim;
    this.api.patch(NODE_CLAIMS, { name: claim.metadata.name }, { status }, { subresource: 'status' });
  }

  /** Pods that kube-scheduler has just refused. */
  refuse(
    count: number,
    o: Parameters<typeof makePod>[1] & {
      readonly prefix?: string;
      readonly namespace?: string;
      readonly owners?: readonly OwnerReference[];
    } = {},
  ): void {
    for (let n = 0; n < count; n += 1) {
      const { metadata, spec } = makePod(`${o.prefix ?? 'p'}-${n}`, { cpu: 900, ...o });
      const { uid: _, ...named } = metadata;
      const rest = {
        ...named,
        ...(o.namespace && { namespace: o.namespace }),
        ...(o.owners && { ownerReferences: o.owners }),
      };
      const { name, namespace = 'default' } = this.api.create(PODS, { metadata: rest, spec }).metadata;
      const lastTransitionTime = new Date(this.now).toISOString();
      const condition = {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        lastTransitionTime,
      };
      const status = { phase: 'Pending', conditions: [condition] };
      this.api.patch(PODS, { name, namespace }, { status }, { subresource: 'status' });
    }
  }

  pods(): readonly Pod[] {
    return this.api.list(PODS);
  }

  held(): readonly string[] {
    return this.pods()
      .filter(({ status }) => status?.nominatedNodeName === AWAITS_PLAN)
      .map(({ metadata }) => metadata.name);
  }

  plans(): readonly RebalancePlan[] {
    return this.api.list(REBALANCE_PLANS);
  }

  /** How many open plans each pod has a node in. */
  places(): ReadonlyMap<string, number> {
    const places = new Map<string, number>();
    for (const { spec } of this.plans().filter(({ spec: { execute } }) => execute)) {
      for (const { name } of spec.podsToMigrate ?? []) places.set(name, (places.get(name) ?? 0) + 1);
    }
    return places;
  }

  client(): KubeClient {
    return memoryClient(this.api, async (_call, serve) => serve());
  }

  /** A process: its caches show the present at each cycle, unless told otherwise. */
  process(client = this.client()): {
    readonly cycle: (policies?: Policies, o?: { readonly isLagging?: true }) => Promise<Outcome>;
    readonly options: CycleOptions;
    readonly memory: CycleMemory;
  } {
    const { caches, lagging } = memoryCaches(this.api);
    const memory: CycleMemory = { pods: new Memory(), stored: new StoredPlans(), room: new RoomRests() };
    const silent: Recorder = { event: () => {}, flush: async () => {} };
    const options: CycleOptions = {
      client,
      caches,
      catalogue: async () => this.catalogue,
      autoscalers: { list: () => this.autoscalers },
      provisioning: async (request) => {
        this.requests.push(request);
        this.whileSearching();
        const result = provision({ ...request, rounds: 20 });
        const { snapshot, catalogue } = request;
        return { result, faults: result.plan ? verifyPlan(snapshot, catalogue, result.plan.spec) : [] };
      },
      window: this.window,
      followsKarpenter: this.followsKarpenter,
      limits: { haltNodes: 3, haltPercent: 50 },
      recorder: silent,
      podRecorder: {
        ...silent,
        event: (_resource, { metadata }, _type, reason, message) =>
          void this.events.push(`${reason} ${metadata.name}: ${message}`),
      },
      log,
      clock: { now: () => this.now },
      signal: new AbortController().signal,
    };
    const cycle = (policies = BUYING, o: { readonly isLagging?: true } = {}): Promise<Outcome> => {
      if (!o.isLagging) for (const cache of lagging) cache.relist();
      return runCycle(options, memory, policies);
    };
    return { cycle, options, memory };
  }
}
