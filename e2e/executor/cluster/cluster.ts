import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { KubeObject, Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { hasEnded } from '../../../api/pods.ts';
import { NODE_CLAIMS, NODES, PODS } from '../../../api/resources.ts';
import type { MemoryApi } from '../../../kube/testing/memory/api.ts';
import type { Simulation } from '../simulation.ts';
import { Market } from './catalogue.ts';

export const POOL = 'general';
export const NAMESPACE = 'shop';

/** Milli-CPU of a quantity such as 500m or 4. */
export const milli = (quantity: string | undefined): number =>
  quantity === undefined
    ? 0
    : quantity.endsWith('m')
      ? Number(quantity.slice(0, -1))
      : Number(quantity) * 1000;

export const cpuRequested = (pod: Pod): number =>
  pod.spec.containers.reduce((sum, c) => sum + milli(c.resources?.requests?.cpu), 0);

/** The cluster without our components: its API objects, its machines, and what its controllers remember. */
export class Cluster {
  readonly api: MemoryApi;
  readonly simulation: Simulation;
  readonly market = new Market();
  /** Names of Nodes by provider id, as the cloud knows them from the launch on. */
  readonly machines = new Map<string, { readonly node: string; readonly neverJoins: boolean }>();
  /** Chance that a machine never joins. */
  neverJoins = 0;
  /** Called for what happens, in plain words. */
  readonly tell: (text: string) => void;
  readonly #due = new Map<string, number>();
  #machines = 0;

  constructor(api: MemoryApi, simulation: Simulation, tell: (text: string) => void) {
    this.api = api;
    this.simulation = simulation;
    this.tell = tell;
  }

  /** True from a random moment on, at the earliest after `from` and at the latest after `to` milliseconds. */
  isDue(key: string, from: number, to: number): boolean {
    const now = this.simulation.now();
    const at = this.#due.get(key) ?? now + this.simulation.dice.between(from, to);
    this.#due.set(key, at);
    return at <= now;
  }

  /** A machine of the cloud; returns its provider id. */
  startMachine(neverJoins = this.simulation.dice.next() < this.neverJoins): string {
    const number = ++this.#machines;
    const providerID = `aws:///us-west-2a/i-${number}`;
    this.machines.set(providerID, { node: `ip-10-0-0-${number}`, neverJoins });
    return providerID;
  }

  nodeOfClaim(claim: NodeClaim): Node | undefined {
    const id = claim.status?.providerID;
    return id === undefined ? undefined : this.api.nodes().find((node) => node.spec?.providerID === id);
  }

  claimOfNode(node: Node): NodeClaim | undefined {
    const id = node.spec?.providerID;
    return id === undefined
      ? undefined
      : this.api.list(NODE_CLAIMS).find((claim) => claim.status?.providerID === id);
  }

  podsOn(node: string): readonly Pod[] {
    return this.api.pods().filter((pod) => pod.spec.nodeName === node);
  }

  /** Milli-CPU of a node that no pod uses. */
  freeCpu(node: Node): number {
    const used = this.podsOn(node.metadata.name)
      .filter((pod) => !hasEnded(pod))
      .reduce((sum, pod) => sum + cpuRequested(pod), 0);
    return milli(node.status?.allocatable?.cpu) - used;
  }

  poolOf(object: KubeObject): string {
    return object.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';
  }

  editNode(name: string, change: (node: Node) => Node): void {
    this.api.edit(NODES, { name }, change);
  }

  editPod(pod: Pod, change: (pod: Pod) => Pod): void {
    this.api.edit(PODS, pod.metadata, change);
  }
}
