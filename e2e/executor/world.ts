import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { PLACEHOLDER } from '../../api/labels.ts';
import type { KubeObject, NodeClaim, Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { NODE_CLAIMS, PODS, REBALANCE_PLANS, type Resource } from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { Cluster } from './cluster/cluster.ts';
import { karpenter } from './cluster/karpenter.ts';
import { kubelets } from './cluster/kubelet.ts';
import { owners } from './cluster/owners.ts';
import { scheduler } from './cluster/scheduler.ts';
import { checkObjects } from './invariants.ts';
import { Model, Violation } from './model.ts';
import { Kentroller } from './ours/kentroller.ts';
import { Pinner } from './ours/pinner.ts';
import type { Process, Write } from './ours/process.ts';
import { type Scene, setScene } from './scene.ts';
import { Simulation } from './simulation.ts';
import { describeWrite, Story } from './story.ts';
import { observeWrite } from './writes.ts';

const START = Date.parse('2026-11-29T12:00:00Z');
const TICK_MS = 1_000;
const RECONNECT_MS = 1_500;

/** A cluster with our components on a virtual clock, and the model beside it. */
export class World {
  readonly simulation: Simulation;
  readonly story: Story;
  readonly model = new Model();
  readonly cluster: Cluster;
  readonly api: MemoryApi;
  kentroller: Kentroller | undefined;
  pinner: Pinner | undefined;
  isWebhookLive = true;
  /** Set while components of ours are down or cut off, and for a time after. */
  disturbedUntil = 0;
  readonly #without: ReadonlySet<string>;
  /** Number of changes of objects but Leases. */
  version = 0;
  #lives = 0;
  #violation: Error | undefined;

  constructor(seed: number, scene: Scene, without: ReadonlySet<string>) {
    this.#without = without;
    this.simulation = new Simulation(seed, START);
    this.story = new Story(this.simulation.now);
    this.api = new MemoryApi({ now: this.simulation.now, admission: this.#admit });
    this.cluster = new Cluster(this.api, this.simulation, (text) => this.story.tell(text));
    this.api.store.onChange((resource) => {
      if (resource.kind !== 'Lease') this.version++;
    });
    setScene(this.cluster, scene);
    this.startKentroller();
    this.startPinner();
    this.#tick();
  }

  readonly #admit = (object: KubeObject, resource: Resource): KubeObject => {
    if (resource.kind !== PODS.kind || !this.isWebhookLive || !this.pinner) return object;
    return this.pinner.admit(object as Pod);
  };

  readonly #onWrite = (write: Write): void => {
    const text = describeWrite(write);
    if (text !== undefined) this.story.tell(text);
    this.guard(() => observeWrite(this, write));
  };

  /** Keeps the first Violation of a check, but for those that are not looked for. */
  guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (error instanceof Violation && this.#without.has(error.invariant)) return;
      this.#violation ??= error as Error;
    }
  }

  #optionsFor(name: string) {
    return {
      name: `${name}-${++this.#lives}`,
      simulation: this.simulation,
      api: this.api,
      onWrite: this.#onWrite,
      onError: (process: string, message: string) => this.story.tell(`${process} fails: ${message}`),
      subjectOf: (key: string) => this.api.find(REBALANCE_PLANS, { name: key })?.metadata.uid,
    };
  }

  startKentroller(): void {
    const { market, machines } = this.cluster;
    this.kentroller = new Kentroller({
      ...this.#optionsFor('kentroller'),
      catalogue: () => market.catalogue(),
      nodeNameOf: (providerID) => machines.get(providerID)?.node,
      isWebhookLive: () => this.isWebhookLive,
      recorder: { event: () => {}, flush: async () => {} },
    });
    this.#reconnect();
  }

  startPinner(): void {
    this.pinner = new Pinner(this.#optionsFor('pinner'));
    this.#reconnect();
  }

  #reconnect(): void {
    this.pinner?.disconnect();
    const [kentroller, pinner] = [this.kentroller, this.pinner];
    this.simulation.after(RECONNECT_MS, () => {
      if (!kentroller || !pinner || kentroller !== this.kentroller || pinner !== this.pinner) return;
      if (!kentroller.process.isDead && !pinner.process.isDead && !pinner.isConnected)
        pinner.connect(kentroller);
    });
  }

  /** Whether a plan has to end by itself and has not, or a machine is on its way or going. */
  get isBusy(): boolean {
    const isOpen = (plan: RebalancePlan): boolean =>
      (plan.spec.execute || plan.metadata.deletionTimestamp !== undefined) && !isFinished(plan);
    const isMoving = ({ metadata, status }: NodeClaim): boolean =>
      metadata.deletionTimestamp !== undefined || !status?.conditions?.some((c) => c.type === 'Initialized');
    return this.api.list(REBALANCE_PLANS).some(isOpen) || this.api.list(NODE_CLAIMS).some(isMoving);
  }

  disturb(ms: number): void {
    this.disturbedUntil = Math.max(this.disturbedUntil, this.simulation.now() + ms);
  }

  crashKentroller(downMs: number): void {
    this.kentroller?.process.crash();
    this.kentroller = undefined;
    this.pinner?.disconnect();
    this.disturb(downMs);
    this.simulation.after(downMs, () => this.kentroller ?? this.startKentroller());
  }

  crashPinner(downMs: number): void {
    this.pinner?.disconnect();
    this.pinner?.process.crash();
    this.pinner = undefined;
    this.disturb(downMs);
    this.simulation.after(downMs, () => this.pinner ?? this.startPinner());
  }

  processes(): readonly Process[] {
    return [this.kentroller?.process, this.pinner?.process].flatMap((process) => process ?? []);
  }

  /** Each second, the controllers of the cluster do their work, in any order; then the invariants are checked. */
  #tick(): void {
    const actors = [karpenter, kubelets, owners, scheduler];
    while (actors.length > 0) {
      const [actor] = actors.splice(this.simulation.dice.below(actors.length), 1);
      actor?.(this.cluster);
    }
    this.guard(() => checkObjects(this));
    this.simulation.after(TICK_MS, () => this.#tick());
  }

  /** Lets time pass; throws the first Violation. */
  async advance(ms: number): Promise<void> {
    await this.simulation.advance(ms);
    this.check();
  }

  check(): void {
    if (this.#violation) throw this.#violation;
  }

  /** Whether a Node is a placeholder that has no NodeClaim any more. */
  isForsaken(node: KubeObject): boolean {
    return (
      node.metadata.labels?.[PLACEHOLDER] !== undefined &&
      !this.api
        .list(NODE_CLAIMS)
        .some((claim) => this.cluster.nodeOfClaim(claim)?.metadata.name === node.metadata.name)
    );
  }
}
