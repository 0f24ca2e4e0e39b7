import { Registry } from 'prom-client';
import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { mustGet } from '../../api/mustget.ts';
import type { KubeObject, Node, NodeClaim, Pod } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { randomFrom } from '../../planner/search/random.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import type { Caches } from '../caches.ts';
import type { PlanSearchOptions } from '../plansearch.ts';
import { countRefusals, verified } from '../rebalanceplanclaim/verified.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { runCycle } from './cycle.ts';
import { evictorSettings } from './settings.ts';

/** An hour of virtual time, a cycle a minute, beside a scheduler that spreads and a Karpenter that buys and empties. */

const MINUTE = 60_000;
const START = Date.parse('2026-11-30T12:00:00Z');
const NODES = 8;
const APPS = 6;
const PER_APP = 5;
const ROOM = 3_900;
const CPU = 500;
const log = createLogger({ component: 'hour-test', level: 'silent' });

/** A cluster in memory: what a cycle reads and writes of it, and what others do in it meanwhile. */
class World {
  now = START;
  readonly nodes = new Map<string, { node: Node; claim: NodeClaim }>();
  readonly pods = new Map<string, Pod>();
  readonly plans = new Map<string, RebalancePlan>();
  /** Moves of each pod and its successors, by the name of the first. */
  readonly moves = new Map<string, number>();
  bought = 0;
  removed = 0;
  /** Chunks of a CapacityBuffer, each as large as a pod. */
  chunks = 0;
  readonly #next: () => number;
  #made = 0;

  constructor(seed: number) {
    this.#next = randomFrom(seed);
    for (let n = 0; n < NODES; n++) this.#addNode();
    for (let n = 0; n < APPS * PER_APP; n++) this.#place(`app-${n % APPS}`, `first-${n}`, this.#freest());
  }

  #addNode(): string {
    const name = `node-${this.#made++}`;
    this.nodes.set(name, makeNode(name));
    return name;
  }

  #place(app: string, first: string, node: string): void {
    const name = `${app}-${this.#made++}`;
    const pod = makePod(name, { app, cpu: CPU, node });
    this.pods.set(name, {
      ...pod,
      metadata: {
        ...pod.metadata,
        labels: { app, first },
        creationTimestamp: new Date(this.now).toISOString(),
      },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    });
  }

  podsOn(node: string): readonly Pod[] {
    return [...this.pods.values()].filter(({ spec }) => spec.nodeName === node);
  }

  /** The node with the most room, as kube-scheduler spreads pods; a new one where nothing fits. */
  #freest(): string {
    const free = (name: string): number => ROOM - CPU * this.podsOn(name).length;
    const [best] = [...this.nodes.keys()].toSorted((a, b) => free(b) - free(a));
    if (best !== undefined && free(best) >= CPU) return best;
    this.bought += 1;
    return this.#addNode();
  }

  #any(): Pod {
    const pods = [...this.pods.values()];
    return pods[Math.floor(this.#next() * pods.length)] as Pod;
  }

  /** Ends a pod; its controller makes another one where `to` says. */
  #replace(pod: Pod, to: () => string): void {
    this.pods.delete(pod.metadata.name);
    const { app = '', first = '' } = pod.metadata.labels ?? {};
    this.#place(app, first, to());
  }

  /** A minute of others: a pod crashes, every ten minutes a workload shrinks, and Karpenter deletes empty nodes. */
  pass(): void {
    this.now += MINUTE;
    this.#replace(this.#any(), () => this.#freest());
    if ((this.now - START) % (10 * MINUTE) === 0) this.pods.delete(this.#any().metadata.name);
    for (const name of this.nodes.keys()) if (this.podsOn(name).length === 0) this.#remove(name);
  }

  #remove(name: string): void {
    this.nodes.delete(name);
    this.removed += 1;
  }

  /** Carries out the plans that are to run. */
  execute(): void {
    const nodeOf = new Map([...this.nodes].map(([name, { claim }]) => [claim.metadata.name, name]));
    for (const [name, plan] of this.plans) {
      if (!plan.spec.execute || plan.status?.state === 'Done') continue;
      for (const move of plan.spec.podsToMigrate ?? []) {
        const pod = mustGet(this.pods, move.name, 'pod');
        const { first = '' } = pod.metadata.labels ?? {};
        this.moves.set(first, (this.moves.get(first) ?? 0) + 1);
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
}

const cacheOf = <T extends KubeObject>(
  list: () => readonly T[],
  by: (value: string) => readonly T[] = () => [],
) => ({
  list,
  get: (name: string) => list().find(({ metadata }) => metadata.name === name),
  by: (_index: string, value: string) => by(value),
});

const cachesOf = (world: World): Caches => {
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
const clientOf = (world: World): KubeClient =>
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

const hour = async (seed: number, cooldown: string, chunks = 0): Promise<World> => {
  const world = new World(seed);
  world.chunks = chunks;
  const planning: PlanSearchOptions['planning'] = async ({ timeBudgetMs: _, ...request }) =>
    rebalance({ ...request, rounds: 20 });
  const options: PlanSearchOptions = {
    client: clientOf(world),
    caches: cachesOf(world),
    catalogue: async () => machines,
    planning: verified(planning, { source: 'evictor', refusals: countRefusals(new Registry()), log }),
    timeBudgetMs: () => 1_000,
    surgeByDefault: false,
    recorder: { event: () => {}, flush: async () => {} },
    clock: { now: () => world.now },
    signal: new AbortController().signal,
  };
  const settings = evictorSettings(undefined, { evictor: { enabled: true, podEvictionCooldown: cooldown } });
  for (let minute = 0; minute < 60; minute++) {
    world.pass();
    await runCycle(options, settings);
    world.execute();
  }
  return world;
};

const mostMoves = ({ moves }: World): number => Math.max(...moves.values());

for (const seed of [1, 2, 3]) {
  t.test(
    `within an hour no pod is moved twice, and no node is bought for one that went (seed ${seed})`,
    async (t) => {
      const world = await hour(seed, '1h');
      t.ok(world.removed >= 3, `${world.removed} of ${NODES} nodes went`);
      t.equal(world.bought, 0, 'nothing is bought');
      t.equal(mostMoves(world), 1, 'no pod is moved twice');
    },
  );
}

t.test('without a cooldown pods are moved again, so the model can show it', async (t) => {
  const worlds = await Promise.all([1, 2, 3].map((seed) => hour(seed, '0s')));
  t.ok(Math.max(...worlds.map(mostMoves)) > 1);
});

t.test('nodes that hold the room of a CapacityBuffer stay', async (t) => {
  const world = await hour(1, '0s', 24);
  const most = Math.floor(ROOM / CPU);
  t.ok(world.nodes.size * most >= world.pods.size + world.chunks, `${world.nodes.size} nodes are left`);
  t.ok(world.removed > 0, 'what is not needed goes');
});
