import type { Pod, Taint } from '../../api/objects.ts';
import type { Billed } from '../model/billing.ts';
import type { NodeInfo } from '../scheduling/nodeinfo.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { UNLIMITED, VOLUME_SLOTS, type Volumes } from '../scheduling/volumes.ts';
import type { NodeClasses } from './nodeclass.ts';
import type { PodClass } from './podclass.ts';

/** A node that stands, and what may be done with it. */
export interface ExistingNode {
  readonly view: NodeInfo;
  /** USD per hour that ends when the node is emptied; 0 for a node that stays whatever happens. */
  readonly price: number;
  /** What commitments see, where there are any: its price whether it may go or not. */
  readonly billed?: Billed;
  /** What the risk of an interruption adds for each pod, in USD per hour. */
  readonly podRisk?: number;
  /** Whether the plan may empty it. */
  readonly isCandidate: boolean;
  /** Whether pods may be moved onto it. */
  readonly acceptsPods: boolean;
  /** What its NodePool's limits count for it. */
  readonly capacity?: Requests;
  /** Those of its pods that may move. */
  readonly movable: ReadonlySet<Pod>;
}

/** The standing nodes in numbers. */
export interface ExistingNodeTable {
  readonly existingNodeClass: Int32Array;
  /** What is left with all its pods on it; nodes × dimensions. */
  readonly existingFree: Float64Array;
  /** Shape of each of its pods, in the order of view.pods. */
  readonly existingPodClasses: readonly Int32Array[];
}

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Puts standing nodes in numbers; `mostPods` is what one node may hold. */
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
  const width = o.dimensions.length;
  const volumeRoom = ({ view }: ExistingNode, resource: string): number => {
    const limit = o.volumes?.limits.get(view.name)?.get(resource.slice(VOLUME_SLOTS.length));
    if (limit === undefined) return UNLIMITED;
    const held = view.pods.map(
      (pod) => o.podClasses[o.podClassOf.get(pod) ?? -1]?.requests.get(resource) ?? 0,
    );
    return limit - held.reduce((sum, n) => sum + n, 0);
  };
  const roomOf = (each: ExistingNode, resource: string): number => {
    if (resource.startsWith(VOLUME_SLOTS)) return volumeRoom(each, resource);
    const free = each.view.free.get(resource) ?? 0;
    return resource === 'pods' ? Math.min(free, o.mostPods - each.view.pods.length) : free;
  };
  const existingFree = new Float64Array(existingNodes.length * width);
  existingNodes.forEach((each, index) => {
    o.dimensions.forEach((resource, d) => {
      existingFree[index * width + d] = roomOf(each, resource);
    });
  });
  return {
    existingFree,
    existingNodeClass: Int32Array.from(existingNodes, ({ view }) =>
      o.nodeClasses.of(
        view.labels,
        view.unschedulable ? [...view.taints, UNSCHEDULABLE] : view.taints,
        view.name,
      ),
    ),
    existingPodClasses: existingNodes.map((each) =>
      Int32Array.from(each.view.pods, (pod) => o.podClassOf.get(pod) ?? -1),
    ),
  };
};
