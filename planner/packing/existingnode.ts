import { mustGet } from '../../api/mustget.ts';
import type { Pod, Taint } from '../../api/objects.ts';
import type { Billed } from '../model/billing.ts';
import type { NodeInfo } from '../scheduling/nodeinfo.ts';
import { UNLIMITED, VOLUME_SLOTS, type Volumes } from '../scheduling/volumes.ts';
import { itemAt, Matrix } from './matrix.ts';
import type { NodeClasses } from './nodeclass.ts';
import type { PodClass } from './podclass.ts';

/** A node of the cluster, and what the plan may do with it. */
export interface ExistingNode {
  readonly view: NodeInfo;
  /** USD per hour that emptying the node saves; 0 for a node that always stays. */
  readonly price: number;
  /** What commitments count for the node, whether it may be removed or not. */
  readonly billed?: Billed;
  /** What the risk of an interruption adds per pod, in USD per hour. */
  readonly podRisk?: number;
  /** USD per hour that the plan may spend on top of the price to be rid of a node that must go. */
  readonly premium?: number;
  /** Whether the plan may empty it. */
  readonly isCandidate: boolean;
  /** Whether pods may be moved onto it. */
  readonly acceptsPods: boolean;
  /** Its movable pods. */
  readonly movable: ReadonlySet<Pod>;
}

/** Numbers of the nodes that must go. */
export const mustGoIn = (existingNodes: readonly ExistingNode[]): ReadonlySet<number> =>
  new Set(existingNodes.flatMap(({ premium }, node) => (premium === undefined ? [] : [node])));

/** The existing nodes in numbers. */
export interface ExistingNodeTable {
  /** Node class per node. */
  readonly existingNodeClass: Int32Array;
  /** Room left beside all its pods, nodes × dimensions. */
  readonly existingFree: Matrix;
  /** Per node, the pod classes of its pods in the order of view.pods. */
  readonly existingPodClasses: readonly Int32Array[];
}

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Puts the existing nodes in numbers; `mostPods` is how many pods one node may hold. */
export const tabulateExistingNodes = (
  existingNodes: readonly ExistingNode[],
  o: {
    readonly dimensions: readonly string[];
    readonly podClasses: readonly PodClass[];
    readonly podClassOf: ReadonlyMap<Pod, number>;
    readonly nodeClasses: NodeClasses;
    readonly mostPods: number;
    readonly volumes: Volumes | undefined;
  },
): ExistingNodeTable => {
  const podClassOf = (pod: Pod): number => mustGet(o.podClassOf, pod, 'pod class of pod');
  const volumeRoom = ({ view }: ExistingNode, resource: string): number => {
    const limit = o.volumes?.limits.get(view.name)?.get(resource.slice(VOLUME_SLOTS.length));
    if (limit === undefined) return UNLIMITED;
    return view.pods.reduce((room, pod) => {
      const { requests } = itemAt(o.podClasses, podClassOf(pod));
      return room - (requests.get(resource) ?? 0);
    }, limit);
  };
  const roomOf = (existing: ExistingNode, resource: string): number => {
    if (resource.startsWith(VOLUME_SLOTS)) return volumeRoom(existing, resource);
    const free = existing.view.free.get(resource) ?? 0;
    return resource === 'pods' ? Math.min(free, o.mostPods - existing.view.pods.length) : free;
  };
  const existingFree = new Matrix(existingNodes.length, o.dimensions.length);
  existingNodes.forEach((existing, node) => {
    o.dimensions.forEach((resource, d) => {
      existingFree.set(node, d, roomOf(existing, resource));
    });
  });
  return {
    existingFree,
    existingNodeClass: Int32Array.from(existingNodes, ({ view: { labels, taints, unschedulable, name } }) =>
      o.nodeClasses.ofExisting(labels, unschedulable ? [...taints, UNSCHEDULABLE] : taints, name),
    ),
    existingPodClasses: existingNodes.map(({ view }) => Int32Array.from(view.pods, podClassOf)),
  };
};
