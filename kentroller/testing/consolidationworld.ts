import { AUTOSCALER_POLICY, type AutoscalerPolicySpec } from '../../api/kinds/autoscalerpolicy.ts';
import {
  KARPENTER_INITIALIZED,
  KARPENTER_NODEPOOL,
  KARPENTER_TERMINATION_FINALIZER,
} from '../../api/labels.ts';
import type { Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import type { Absence } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger, type Logger } from '../../kube/component/log.ts';
import type { Controller, Key } from '../../kube/controller/controller.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { MemoryApi, typed } from '../../kube/testing/memory/api.ts';
import { type Call, memoryClient } from '../../kube/testing/memory/client.ts';
import type { LaggingCache } from '../../kube/testing/memory/laggingcache.ts';
import type { Caches } from '../caches.ts';
import { createConsolidationController } from '../consolidation/controller.ts';
import { policiesNow } from '../policies/settings.ts';
import { reclaimNodes } from '../rebalanceplan/reclaim.ts';
import { Crashed } from './crash.ts';
import { memoryCaches } from './memorycaches.ts';

const NEVER = new AbortController().signal;
const log = createLogger({ component: 'consolidation-world', level: 'silent' });
const START = Date.parse('2026-11-22T12:00:00Z');

/** Node consolidation in virtual time on an API server in memory. */
export class ConsolidationWorld {
  now = START;
  readonly api = new MemoryApi({ now: () => this.now });
  /** Events: node, reason and message. */
  readonly events: string[] = [];
  isEnabled = true;
  /** The AutoscalerPolicy's spec, and why it can't be read. */
  readonly policyCache = new FakeCache(resources.AUTOSCALER_POLICIES);
  policyAbsence: Absence | undefined;
  /** What the status would say of the policy of empty nodes. */
  said = '';
  readonly acts: string[] = [];
  /** Called before each request reaches the server: what somebody else does in that moment. */
  before: (call: Call) => void = () => {};
  /** Wraps the client of each process. */
  wrap: (client: KubeClient) => KubeClient = (client) => client;
  #caches: readonly LaggingCache<never>[] = [];
  #controllers: readonly Controller[] = [];
  /** When keys are due, by the controller's number and the key. */
  #due = new Map<string, number>();

  /** Writes the AutoscalerPolicy. */
  policy(spec: AutoscalerPolicySpec): void {
    this.policyCache.put({ metadata: { name: AUTOSCALER_POLICY }, spec });
  }

  pool(disruption: object = {}, name = 'general'): NodePool {
    return this.api.create(
      resources.NODE_POOLS,
      typed(resources.NODE_POOLS, {
        metadata: { name },
        spec: {
          disruption: { consolidateAfter: '0s', budgets: [{ nodes: '100%' }], ...disruption },
          template: { spec: { nodeClassRef: { group: 'g', kind: 'k', name: 'n' }, requirements: [] } },
        },
      }),
    );
  }

  /** A machine: its NodeClaim, and its Node, ready and with room for `cpu` CPUs. */
  machine(
    name: string,
    o: {
      readonly pool?: string;
      readonly cpu?: number;
      readonly expireAfter?: string;
      readonly consolidatable?: boolean;
      readonly node?: { readonly metadata?: object; readonly spec?: object };
    } = {},
  ): { readonly node: Node; readonly claim: NodeClaim } {
    const labels = { [KARPENTER_NODEPOOL]: o.pool ?? 'general', [KARPENTER_INITIALIZED]: 'true' };
    const providerID = `aws:///a/${name}`;
    this.api.create(
      resources.NODE_CLAIMS,
      typed(resources.NODE_CLAIMS, {
        metadata: { name, labels, finalizers: [KARPENTER_TERMINATION_FINALIZER] },
        spec: {
          nodeClassRef: { group: 'g', kind: 'k', name: 'n' },
          requirements: [],
          expireAfter: o.expireAfter ?? 'Never',
        },
      }),
    );
    const conditions = ['Launched', 'Registered', 'Initialized'].map((type) => ({ type, status: 'True' }));
    const consolidatable = { type: 'Consolidatable', status: 'True' };
    const status = {
      providerID,
      nodeName: `node-${name}`,
      conditions: [...conditions, ...(o.consolidatable === false ? [] : [consolidatable])],
    } as NodeClaim['status'] & object;
    const claim = this.api.edit(resources.NODE_CLAIMS, { name }, (found) => ({ ...found, status }));
    const amounts = { cpu: String(o.cpu ?? 4), memory: '16Gi', pods: '110' };
    const node = this.api.create(
      resources.NODES,
      typed(resources.NODES, {
        metadata: { name: `node-${name}`, labels, ...o.node?.metadata },
        spec: { providerID, ...o.node?.spec },
        status: {
          allocatable: amounts,
          capacity: amounts,
          conditions: [{ type: 'Ready', status: 'True' }],
          nodeInfo: { kubeletVersion: 'v1.36.3' },
        },
      }),
    );
    if (!claim) throw new Error(`NodeClaim ${name} was not made`);
    return { node, claim };
  }

  /** A pod of a ReplicaSet that asks for `cpu` CPUs. */
  pod(
    name: string,
    o: { readonly cpu?: number; readonly spec?: object; readonly status?: object } = {},
  ): Pod {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs', controller: true };
    const made = this.api.create(
      resources.PODS,
      typed(resources.PODS, {
        metadata: { name, namespace: 'shop', ownerReferences: [owner] },
        spec: {
          containers: [{ name: 'c', resources: { requests: { cpu: String(o.cpu ?? 1) } } }],
          ...o.spec,
        },
      }),
    );
    const { status } = o;
    if (!status) return made;
    const ref = { name, namespace: 'shop' };
    return (
      this.api.edit(resources.PODS, ref, (pod) => ({ ...pod, status: { ...pod.status, ...status } })) ?? made
    );
  }

  /** A new process: fresh caches, and all that the one before had in memory is lost. */
  start(): void {
    const { caches, lagging } = memoryCaches(this.api);
    this.#caches = lagging;
    this.#due = new Map();
    const client = this.wrap(
      memoryClient(this.api, async (call, serve) => {
        this.before(call);
        return serve();
      }),
    );
    const recorder = {
      event: (
        _: unknown,
        about: { metadata: { name: string } },
        _type: string,
        reason: string,
        message: string,
      ) => void this.events.push(`${about.metadata.name} ${reason}: ${message}`),
      flush: async () => {},
    };
    const consolidation = createConsolidationController({
      client,
      caches,
      configMaps: [],
      isEnabled: () => this.isEnabled,
      policies: {
        cache: this.policyCache,
        now: () => {
          const object = this.policyCache.get(AUTOSCALER_POLICY);
          return policiesNow({ object, absence: this.policyAbsence, hasSynced: true }, {});
        },
      },
      policyRecord: {
        note: (_, state, message) => {
          this.said = `${state}: ${message}`;
        },
        did: (_, action) => void this.acts.push(action),
        forget: () => {},
      },
      recorder,
      log,
      clock: { now: () => this.now },
    });
    // What takes back marks of plans that are gone must leave those of node consolidation alone.
    this.#controllers = [consolidation, reclaimNodes({ client, caches, log })];
    for (const [index, { sources }] of this.#controllers.entries()) {
      for (const { cache, keys, gatherMs = 0 } of sources) {
        cache.onChange((change) => {
          for (const key of keys(change)) this.#enqueue(index, key, this.now + gatherMs);
        });
      }
    }
  }

  #enqueue(controller: number, name: Key, at: number): void {
    const key = `${controller} ${name}`;
    this.#due.set(key, Math.min(at, this.#due.get(key) ?? Number.POSITIVE_INFINITY));
  }

  /** Delivers what the watches have. */
  deliver(): void {
    for (const cache of this.#caches) cache.deliver(cache.pending);
  }

  /** Reconciles what is due until nothing more is at this moment. False when the process died. */
  async settle(): Promise<boolean> {
    for (let round = 0; round < 100; round += 1) {
      this.deliver();
      const due = [...this.#due].filter(([, at]) => at <= this.now).map(([key]) => key);
      if (due.length === 0) return true;
      for (const key of due) this.#due.delete(key);
      const results = await Promise.allSettled(due.map((key) => this.#reconcile(key)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed?.reason instanceof Crashed) return false;
      if (failed) throw failed.reason;
    }
    throw new Error(
      `there is work without end at ${new Date(this.now).toISOString()}: ${[...this.#due.keys()]}`,
    );
  }

  async #reconcile(key: string): Promise<void> {
    const index = Number(key.slice(0, key.indexOf(' ')));
    const name = key.slice(key.indexOf(' ') + 1);
    const action = await this.#controllers[index]?.reconcile(name, NEVER);
    if (!action) throw new Error('no process was started');
    if (action.kind === 'requeue') this.#enqueue(index, name, this.now + action.afterMs);
  }

  /** Lets time pass, a second at a time. False when the process died. */
  async pass(seconds: number, eachSecond: () => void = () => {}): Promise<boolean> {
    for (let second = 0; second < seconds; second += 1) {
      if (!(await this.settle())) return false;
      this.now += 1_000;
      eachSecond();
    }
    return this.settle();
  }

  isDeleting(name: string): boolean {
    const claim = this.api.find(resources.NODE_CLAIMS, { name });
    return claim === undefined || claim.metadata.deletionTimestamp !== undefined;
  }
}

/** The controller over a world's objects for a test that runs it by itself, without events. */
export const consolidationOver = (
  world: ConsolidationWorld,
  {
    caches,
    log,
    intercept,
  }: {
    readonly caches: Caches;
    readonly log: Logger;
    readonly intercept?: Parameters<typeof memoryClient>[1];
  },
): Controller =>
  createConsolidationController({
    client: memoryClient(world.api, intercept ?? (async (_, serve) => serve())),
    caches,
    configMaps: [],
    isEnabled: () => true,
    recorder: { event: () => {}, flush: async () => {} },
    log,
    clock: { now: () => world.now },
  });
