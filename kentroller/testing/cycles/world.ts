import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE } from '../../../api/labels.ts';
import { mustGet } from '../../../api/mustget.ts';
import type { KubeObject, Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { amount } from '../../../api/quantity.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { randomFrom } from '../../../planner/search/random.ts';
import { makeNode, makePod, makePool } from '../../../planner/testing/builders.ts';
import type { Caches } from '../../caches.ts';
import { CACHE_NAMES } from '../memorycaches.ts';

/** A cluster in virtual time, minute by minute, beside a scheduler that spreads and a Karpenter that buys and empties. */

export const MINUTE = 60_000;
export const START = Date.parse('2026-11-30T12:00:00Z');
/** Nodes at the beginning. */
export const NODES = 8;
const APPS = 6;
const PER_APP = 5;
/** Millicores of a node, and of a pod. */
export const ROOM = 3_900;
export const CPU = 500;

/** How kube-scheduler chooses among nodes with room. */
export interface Scheduling {
  /** By MostAllocated, else by LeastAllocated. */
  readonly packs?: boolean;
  /** Fewest pods of the same workload first, as its default constraints have it. */
  readonly spreads?: boolean;
  /** The skew over hostnames that pods allow. */
  readonly maxSkew?: number;
  /** Whether Karpenter's PodDeletionCostManagement steers which pod goes when a workload shrinks: one of the emptiest node. */
  readonly hasDeletionCosts?: boolean;
}

/** What a cycle reads and writes of it, and what others do in it meanwhile. */
export class CycleWorld {
  now = START;
  readonly nodes = new Map<string, { node: Node; claim: NodeClaim }>();
  readonly pods = new Map<string, Pod>();
  readonly plans = new Map<string, RebalancePlan>();
  /** Moves of each pod and its successors, by the name of the first: by whom. */
  readonly moves = new Map<string, readonly string[]>();
  bought = 0;
  removed = 0;
  /** Nodes that plans have added. */
  added = 0;
  /** Chunks of a CapacityBuffer, each as large as a pod. */
  chunks = 0;
  readonly #next: () => number;
  readonly #o: Scheduling;
  #made = 0;

  constructor(seed: number, o: Scheduling = {}) {
    this.#o = o;
    this.#next = randomFrom(seed);
    for (let n = 0; n < NODES; n++) this.#addNode();
    for (let n = 0; n < APPS * PER_APP; n++)
      this.#place(`app-${n % APPS}`, `first-${n}`, this.#freest(`app-${n % APPS}`));
  }

  /** Adds a machine, as old as nodes are at the beginning, or made at a time. */
  #stand({ node, claim }: { readonly node: Node; readonly claim: NodeClaim }, at?: number): void {
    const made = at === undefined ? {} : { creationTimestamp: new Date(at).toISOString() };
    this.nodes.set(node.metadata.name, { node: { ...node, metadata: { ...node.metadata, ...made } }, claim });
  }

  #addNode(): string {
    const name = `node-${this.#made++}`;
    this.#stand(makeNode(name), this.now === START ? undefined : this.now);
    return name;
  }

  #place(app: string, first: string, node: string): void {
    const name = `${app}-${this.#made++}`;
    const { maxSkew } = this.#o;
    const constraint = {
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app } },
    } as const;
    const spec = { topologySpreadConstraints: [{ ...constraint, maxSkew: maxSkew ?? 1 }] };
    const pod = makePod(name, { app, cpu: CPU, node, ...(maxSkew !== undefined && { spec }) });
    this.pods.set(name, {
      ...pod,
      metadata: {
        ...pod.metadata,
        labels: { app, first },
        // Those that are there at the beginning are old.
        creationTimestamp: new Date(this.now === START ? START - 120 * MINUTE : this.now).toISOString(),
      },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    });
  }

  podsOn(node: string): readonly Pod[] {
    return [...this.pods.values()].filter(({ spec }) => spec.nodeName === node);
  }

  #roomOf(name: string): number {
    return amount('cpu', this.nodes.get(name)?.node.status?.allocatable?.cpu ?? '0');
  }

  /** The node that kube-scheduler chooses; a new one where nothing fits. */
  #freest(app: string): string {
    const { packs, spreads, maxSkew = Number.POSITIVE_INFINITY } = this.#o;
    const free = (name: string): number => this.#roomOf(name) - CPU * this.podsOn(name).length;
    const same = (name: string): number =>
      this.podsOn(name).filter(({ metadata }) => metadata.labels?.app === app).length;
    const least = Math.min(...[...this.nodes.keys()].map(same));
    const [best] = [...this.nodes.keys()]
      .filter((name) => free(name) >= CPU && same(name) + 1 - least <= maxSkew)
      .toSorted((x, y) => (spreads ? same(x) - same(y) : 0) || (free(y) - free(x)) * (packs ? -1 : 1));
    if (best !== undefined) return best;
    this.bought += 1;
    return this.#addNode();
  }

  #any(): Pod {
    const pods = [...this.pods.values()];
    return pods[Math.floor(this.#next() * pods.length)] as Pod;
  }

  /** The pod that a ReplicaSet deletes first. */
  #cheapest(): Pod {
    const pod = this.#any();
    if (!this.#o.hasDeletionCosts) return pod;
    const counts = [...this.pods.values()].toSorted(
      (a, b) => this.podsOn(a.spec.nodeName ?? '').length - this.podsOn(b.spec.nodeName ?? '').length,
    );
    return counts.find(({ metadata }) => metadata.labels?.app === pod.metadata.labels?.app) ?? pod;
  }

  #note({ metadata }: Pod, by: string): void {
    const { first = '' } = metadata.labels ?? {};
    this.moves.set(first, [...(this.moves.get(first) ?? []), by]);
  }

  /** Evicts a pod in the name of somebody else; kube-scheduler places its successor. */
  evict(pod: Pod, by: string): void {
    this.#note(pod, by);
    this.#replace(pod, (app) => this.#freest(app));
  }

  /** Ends a pod; its controller makes another one where `to` says. */
  #replace(pod: Pod, to: (app: string) => string): void {
    this.pods.delete(pod.metadata.name);
    const { app = '', first = '' } = pod.metadata.labels ?? {};
    this.#place(app, first, to(app));
  }

  /** A minute of others: a pod crashes, every ten minutes a workload shrinks, and Karpenter deletes empty nodes. */
  pass(): void {
    this.now += MINUTE;
    this.#replace(this.#any(), (app) => this.#freest(app));
    if ((this.now - START) % (10 * MINUTE) === 0) this.pods.delete(this.#cheapest().metadata.name);
    for (const name of this.nodes.keys()) if (this.podsOn(name).length === 0) this.#remove(name);
  }

  #remove(name: string): void {
    this.nodes.delete(name);
    this.removed += 1;
  }

  /** Carries out the plans that are to run. */
  execute(by: string): void {
    const nodeOf = new Map([...this.nodes].map(([name, { claim }]) => [claim.metadata.name, name]));
    for (const [name, plan] of this.plans) {
      if (!plan.spec.execute || plan.status?.state === 'Done') continue;
      for (const { metadata, alternatives = [] } of plan.spec.nodeClaimsToAdd ?? []) {
        const { name: claimName = '' } = metadata;
        const type = alternatives[0]?.requirements.find(({ key }) => key === INSTANCE_TYPE)?.values?.[0];
        const cpu = { 'm5.large': 1_900, 'm5.xlarge': ROOM, 'm5.4xlarge': 15_900 }[type ?? ''] ?? ROOM;
        const { node, claim } = makeNode(`of-${claimName}`, { cpu, ...(type && { type }) });
        const named = { ...claim, metadata: { ...claim.metadata, name: claimName } };
        this.#stand({ node, claim: named }, this.now);
        nodeOf.set(claimName, node.metadata.name);
        this.added += 1;
      }
      for (const move of plan.spec.podsToMigrate ?? []) {
        const pod = mustGet(this.pods, move.name, 'pod');
        this.#note(pod, by);
        this.#replace(pod, () => mustGet(nodeOf, move.dstNodeClaimName, 'node of NodeClaim'));
      }
      for (const { nodeClaimName } of plan.spec.nodeClaimsToDelete ?? []) {
        this.#remove(mustGet(nodeOf, nodeClaimName, 'node of NodeClaim'));
      }
      const at = new Date(this.now).toISOString();
      this.plans.set(name, {
        ...plan,
        status: { ...plan.status, state: 'Done', startTime: at, completionTime: at },
      });
    }
  }

  /** The most moves of one pod and its successors. */
  mostMoves(): number {
    return Math.max(0, ...[...this.moves.values()].map(({ length }) => length));
  }
}

const cacheOf = <T extends KubeObject>(
  list: () => readonly T[],
  by: (value: string) => readonly T[] = () => [],
) => ({
  list,
  get: (name: string) => list().find(({ metadata }) => metadata.name === name),
  by: (_index: string, value: string) => by(value),
});

export const cachesOf = (world: CycleWorld): Caches => {
  const none = cacheOf(() => []);
  return {
    ...Object.fromEntries(CACHE_NAMES.map((name) => [name, none])),
    plans: cacheOf(() => [...world.plans.values()]),
    nodes: cacheOf(
      () => [...world.nodes.values()].map(({ node }) => node),
      (id) => [...world.nodes.values()].flatMap(({ node }) => (node.spec?.providerID === id ? [node] : [])),
    ),
    nodeClaims: cacheOf(() => [...world.nodes.values()].map(({ claim }) => claim)),
    pods: cacheOf(
      () => [...world.pods.values()],
      (node) => world.podsOn(node),
    ),
    nodePools: cacheOf(() => [
      { ...makePool(), spec: { ...makePool().spec, disruption: { budgets: [{ nodes: '100%' }] } } },
    ]),
  } as unknown as Caches;
};

/** A client that stores plans, and nothing else. */
export const clientOf = (world: CycleWorld): KubeClient =>
  ({
    apply: async (_: unknown, plan: RebalancePlan) => {
      const stored = { ...world.plans.get(plan.metadata.name), ...plan };
      world.plans.set(plan.metadata.name, stored);
      return stored;
    },
    patch: async (_: unknown, { name }: { name: string }, body: object) => {
      const stored = { ...mustGet(world.plans, name, 'plan'), ...body };
      world.plans.set(name, stored);
      return stored;
    },
    list: async ({ kind }: { kind: string }) => ({
      items:
        kind === 'CapacityBuffer' && world.chunks > 0
          ? [
              {
                metadata: { name: 'room', namespace: 'default', uid: 'room' },
                spec: { podTemplateRef: { name: 'chunk' } },
                status: {
                  replicas: world.chunks,
                  conditions: [{ type: 'ReadyForProvisioning', status: 'True' }],
                },
              },
            ]
          : [],
    }),
    get: async () => ({
      metadata: { name: 'chunk' },
      template: { spec: makePod('chunk', { cpu: CPU }).spec },
    }),
    delete: async (_: unknown, { name }: { name: string }) => void world.plans.delete(name),
  }) as unknown as KubeClient;
