import { KARPENTER_TERMINATION_FINALIZER } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { foreignSchedulerOf } from '../../api/pods.ts';
import { NODE_CLAIMS, NODES, PODS } from '../../api/resources.ts';
import { fits } from '../../planner/scheduling/fit.ts';
import { type NodeInfo, nodeInfoOf } from '../../planner/scheduling/nodeinfo.ts';
import type { ConsolidationWorld } from './consolidationworld.ts';

/** Seconds from a purchase until the machine's node is ready, and from the end of a claim until its node is gone. */
const LAUNCH_S = 30;
const END_S = 5;
/** Seconds for which a pod waits until a machine is bought: Karpenter's batch. */
const BATCH_S = 1;

const CPU = 4;

/**
 * kube-scheduler and a buyer such as Karpenter over an API server in memory: pods go to the first node that has room,
 * and machines are bought for those that find none, and for chunks of buffers that would find none. Pods of other
 * schedulers wait for ever, as a gang that is not complete does, and are bought for like any.
 */
export class Buyer {
  readonly #world: ConsolidationWorld;
  readonly #chunks: () => readonly Pod[];
  readonly #underWay = new Map<string, number>();
  readonly #ending = new Map<string, number>();
  #waitsSince: number | undefined;
  /** Times of purchases and of the deletions of others, in milliseconds since 1970. */
  readonly purchases: number[] = [];
  readonly deletions: number[] = [];
  /** Pods that were lost with their node. */
  lost = 0;

  constructor(world: ConsolidationWorld, chunks: () => readonly Pod[]) {
    this.#world = world;
    this.#chunks = chunks;
  }

  /** What happens in one second. */
  step(): void {
    this.#end();
    this.#launch();
    this.#schedule();
    this.#buy();
  }

  #views(): NodeInfo[] {
    const { api } = this.#world;
    return api
      .list(NODES)
      .filter(({ metadata }) => !this.#world.isDeleting(metadata.name.replace('node-', '')))
      .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
      .map((node) => nodeInfoOf(node, this.#podsOn(node)));
  }

  #podsOn({ metadata: { name } }: Node): readonly Pod[] {
    return this.#world.api.list(PODS, { fieldSelector: `spec.nodeName=${name}` });
  }

  #schedule(): void {
    for (const pod of this.#waiting()) {
      if (foreignSchedulerOf(pod) !== undefined) continue;
      const view = this.#views().find((each) => fits(pod, each) === undefined);
      const { name, namespace = '' } = pod.metadata;
      if (view) this.#world.api.bind({ name, namespace }, view.name);
    }
  }

  #waiting(): readonly Pod[] {
    return this.#world.api.list(PODS, { fieldSelector: 'spec.nodeName=' });
  }

  #buy(): void {
    const views = [...this.#views(), ...[...this.#underWay.keys()].map((name) => this.#machineView(name))];
    const unplaced = [...this.#waiting(), ...this.#chunks()].filter((pod) => !place(pod, views));
    if (unplaced.length === 0) {
      this.#waitsSince = undefined;
      return;
    }
    this.#waitsSince ??= this.#world.now;
    if (this.#world.now - this.#waitsSince < BATCH_S * 1_000) return;
    this.#waitsSince = undefined;
    const bought: NodeInfo[] = [];
    for (const pod of unplaced) {
      if (place(pod, bought)) continue;
      const name = `bought-${String(this.purchases.length).padStart(3, '0')}`;
      this.purchases.push(this.#world.now);
      this.#underWay.set(name, this.#world.now + LAUNCH_S * 1_000);
      const view = this.#machineView(name);
      place(pod, [view]);
      bought.push(view);
    }
  }

  #machineView(name: string): NodeInfo {
    const allocatable = { cpu: String(CPU), memory: '16Gi', pods: '110' };
    return nodeInfoOf({ metadata: { name }, status: { allocatable } }, []);
  }

  #launch(): void {
    for (const [name, at] of this.#underWay) {
      if (at > this.#world.now) continue;
      this.#underWay.delete(name);
      this.#world.machine(name, { cpu: CPU });
    }
  }

  #end(): void {
    const { api, now } = this.#world;
    for (const { metadata } of api.list(NODE_CLAIMS)) {
      const { name } = metadata;
      if (!metadata.deletionTimestamp) continue;
      const at = this.#ending.get(name);
      if (at === undefined) {
        this.deletions.push(now);
        this.#ending.set(name, now + END_S * 1_000);
      } else if (at <= now) {
        const ref = { name: `node-${name}` };
        this.lost += this.#podsOn(api.get(NODES, ref)).length;
        api.delete(NODES, ref);
        const finalizers = (metadata.finalizers ?? []).filter((f) => f !== KARPENTER_TERMINATION_FINALIZER);
        api.patch(NODE_CLAIMS, { name }, { metadata: { finalizers } });
        this.#ending.delete(name);
      }
    }
  }
}

/** Puts the pod on the first of the nodes that has room; false for none. */
const place = (pod: Pod, views: NodeInfo[]): boolean => {
  const index = views.findIndex((view) => fits(pod, view) === undefined);
  const view = views[index];
  if (!view) return false;
  const taken = nodeInfoOf({ metadata: { name: view.name }, status: { allocatable: {} } }, [pod]).free;
  const free = new Map([...view.free].map(([key, value]) => [key, value + (taken.get(key) ?? 0)]));
  views[index] = { ...view, free, pods: [...view.pods, pod] };
  return true;
};
