import t from 'tap';
import { INSTANCE_TYPE, KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { podName } from '../../api/pods.ts';
import {
  CAPACITY_BUFFERS,
  NODE_CLAIMS,
  NODES,
  POD_TEMPLATES,
  PODS,
  REBALANCE_PLANS,
} from '../../api/resources.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { bufferRoom } from '../../planner/bufferroom.ts';
import { fits } from '../../planner/scheduling/fit.ts';
import { nodeInfoOf } from '../../planner/scheduling/nodeinfo.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { readBufferPods } from '../capacitybuffers/pods.ts';
import { applyGuard, guardSteps, isGuarded } from '../capacitybuffers/roomguard.ts';
import type { ServedRoom } from '../capacitybuffers/serve.ts';
import type { Policies } from '../policies/settings.ts';
import { gatherSnapshot } from '../snapshot.ts';
import { BUYING, UnscheduledWorld } from '../testing/unscheduledworld.ts';
import { planWithNodes } from './room.ts';

/** An hour of virtual time, with room of a CapacityBuffer, a scheduler, machines that start and a Karpenter that ends empty ones. */

const POLICIES = {
  ...BUYING,
  unschedulablePods: { ...BUYING.unschedulablePods, capacityBuffers: true },
} as Policies;
const TICK_MS = 5_000;
const LAUNCH_MS = 60_000;
const CHUNK_CPU = '900m';
const containers = [{ name: 'c', resources: { requests: { cpu: CHUNK_CPU, memory: '64Mi' } } }];

class RoomWorld extends UnscheduledWorld {
  readonly signal = new AbortController().signal;
  readonly #ordered = new Map<string, number>();
  readonly #emptySince = new Map<string, number>();
  /** Nodes that were bought, and that Karpenter ended. */
  bought = 0;
  ended = 0;
  #process = this.#start();
  #room: ServedRoom = { chunks: [], missing: [] };

  constructor(replicas: number) {
    super();
    const metadata = { name: 'app', namespace: 'default' };
    this.api.create(POD_TEMPLATES, typed(POD_TEMPLATES, { metadata, template: { spec: { containers } } }));
    this.setBuffer(replicas);
  }

  /** A process, or a new one in its place: nothing of the last one's memory is left. */
  #start() {
    const made = this.process();
    const last = () => this.#room;
    return {
      ...made,
      room: Object.assign(made.options, { room: { last, tell: () => {}, onChange: () => () => {} } }),
    };
  }

  restart(): void {
    this.#process = this.#start();
    this.#room = { chunks: [], missing: [] };
  }

  setBuffer(replicas: number): void {
    const metadata = { name: 'room', namespace: 'default' };
    const ref = { name: 'room', namespace: 'default' };
    if (this.api.list(CAPACITY_BUFFERS).length > 0) this.api.delete(CAPACITY_BUFFERS, ref);
    const status = { replicas, conditions: [{ type: 'ReadyForProvisioning', status: 'True' }] };
    const spec = { podTemplateRef: { name: 'app' }, replicas };
    this.api.create(CAPACITY_BUFFERS, typed(CAPACITY_BUFFERS, { metadata, spec, status }));
  }

  nodes(): readonly string[] {
    return this.api
      .list(NODES)
      .map(({ metadata }) => metadata.name)
      .filter((name) => name !== 'full');
  }

  podsOn(name: string): readonly Pod[] {
    return this.pods().filter(({ spec }) => spec.nodeName === name);
  }

  /** What BufferServer does with a status that is written: finds the room, and guards its nodes. */
  async serve(): Promise<void> {
    const { caches } = this.#process.options;
    for (const cache of Object.values(caches)) (cache as unknown as { relist?: () => void }).relist?.();
    const { pods: chunks } = await readBufferPods({ client: this.client(), signal: this.signal });
    const kept = new Set(
      this.api
        .list(NODES)
        .filter(isGuarded)
        .map(({ metadata }) => metadata.name),
    );
    const { nodes, missing } = bufferRoom(gatherSnapshot(caches), { room: chunks, kept });
    this.#room = { chunks, missing };
    const claimOf = (node: { metadata: { name: string } }) =>
      this.api.list(NODE_CLAIMS).find(({ status }) => status?.nodeName === node.metadata.name);
    const guarding = { holders: nodes, isLookedAt: () => true };
    for (const step of guardSteps(this.api.list(NODES), claimOf, guarding))
      await applyGuard({ client: this.client(), signal: this.signal }, step);
  }

  get missing(): number {
    return this.#room.missing.length;
  }

  /** Machines of plans start and end their plans; kube-scheduler binds; Karpenter ends empty nodes that nothing guards. */
  #others(): void {
    for (const plan of this.plans()) {
      if (!plan.spec.execute || isFinished(plan)) continue;
      const { name } = plan.metadata;
      const at = this.#ordered.get(name) ?? this.now;
      this.#ordered.set(name, at);
      if (this.now - at < LAUNCH_MS) continue;
      for (const { metadata, alternatives } of plan.spec.nodeClaimsToAdd ?? []) {
        const [type] =
          (alternatives?.[0]?.requirements ?? []).find(({ key }) => key === INSTANCE_TYPE)?.values ?? [];
        const cpu = smallCatalogue.instanceTypes.find((each) => each.name === type)?.capacity.cpu ?? 4_000;
        this.addNode(metadata.name, cpu - 100);
        this.bought += 1;
      }
      const status = { state: 'Done' as const, completionTime: new Date(this.now).toISOString() };
      this.api.patch(REBALANCE_PLANS, { name }, { status }, { subresource: 'status' });
    }
    for (const pod of this.pods().filter(({ spec }) => !spec.nodeName)) {
      const to = this.api
        .list(NODES)
        .find((node) => fits(pod, nodeInfoOf(node, this.podsOn(node.metadata.name))) === undefined);
      const { name, namespace = 'default' } = pod.metadata;
      if (to) this.api.bind({ name, namespace }, to.metadata.name);
    }
    for (const name of this.nodes()) {
      const node = this.api.get(NODES, { name });
      const isFree = node.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] === undefined;
      if (this.podsOn(name).length > 0 || !isFree) {
        this.#emptySince.delete(name);
        continue;
      }
      const since = this.#emptySince.get(name) ?? this.now;
      this.#emptySince.set(name, since);
      if (this.now - since < 15_000) continue;
      const claim = this.api.list(NODE_CLAIMS).find(({ status }) => status?.nodeName === name);
      this.api.delete(NODES, { name });
      if (claim) this.api.delete(NODE_CLAIMS, { name: claim.metadata.name });
      this.ended += 1;
    }
  }

  async run(ms: number): Promise<void> {
    for (const until = this.now + ms; this.now < until; this.now += TICK_MS) {
      this.#others();
      await this.serve();
      await this.#process.cycle(POLICIES);
    }
  }
}

const MINUTE = 60_000;

t.test('in an hour room is bought once, stands, is taken, is bought again, and goes', async (t) => {
  const world = new RoomWorld(3);
  await world.run(3 * MINUTE);
  const first = world.bought;
  t.ok(first > 0, 'room was bought');
  t.equal(world.missing, 0, 'all chunks have room');
  await world.run(15 * MINUTE);
  t.same([world.bought, world.ended], [first, 0], 'nothing is bought twice, and Karpenter ends none of it');
  // Real pods take the room in one tick, without a plan of their own.
  world.refuse(3, { cpu: 900, prefix: 'real' });
  const plans = world.plans().length;
  await world.run(TICK_MS);
  t.same(
    world
      .pods()
      .filter(({ spec }) => !spec.nodeName)
      .map(podName),
    [],
    'pods have taken the room at once',
  );
  await world.run(3 * MINUTE);
  t.equal(world.plans().length, plans + 1, 'the room is bought again, once');
  t.equal(world.missing, 0);
  const second = world.bought;
  await world.run(15 * MINUTE);
  t.same([world.bought, world.ended], [second, 0]);
  // The pods go: there is room enough without the second purchase.
  for (const pod of world.pods().filter(({ metadata }) => metadata.name.startsWith('real')))
    world.api.delete(
      PODS,
      { name: pod.metadata.name, namespace: pod.metadata.namespace ?? 'default' },
      { gracePeriodSeconds: 0 },
    );
  await world.run(10 * MINUTE);
  t.same([world.bought, world.missing], [second, 0], 'nothing more is bought');
  world.setBuffer(0);
  await world.run(5 * MINUTE);
  t.same(world.nodes(), [], 'without the buffer the room goes');
  await world.run(10 * MINUTE);
  t.equal(world.bought, second);
});

t.test('a process that dies at any moment buys no room twice', async (t) => {
  for (const ticks of [0, 1, 2, 5, 11, 12, 13, 14, 20]) {
    const world = new RoomWorld(3);
    await world.run(ticks * TICK_MS);
    world.restart();
    await world.run(10 * MINUTE);
    const { length } = world.plans();
    t.equal(length, 1, `killed after ${ticks} ticks: one plan`);
    t.same([world.missing, world.ended], [0, 0]);
  }
});

t.test('a plan with nodes on their way is waited for, and a while after it', async (t) => {
  const world = new RoomWorld(3);
  await world.run(2 * TICK_MS);
  t.match(planWithNodes(world.plans(), world.now), /unscheduled-pods/);
  await world.run(5 * MINUTE);
  t.equal(planWithNodes(world.plans(), world.now), undefined);
});
