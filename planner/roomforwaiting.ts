import type { Pod } from '../api/objects.ts';
import { podName } from '../api/pods.ts';
import type { Blocker } from './cluster/blocker.ts';
import { acceptsPods, type Cluster } from './cluster/clusterview.ts';
import { machinesUnderWay } from './cluster/machinesunderway.ts';
import { isStarting } from './cluster/startingnodes.ts';
import { comingPodsOf, waitingPodsOf } from './cluster/waitingpods.ts';
import type { ExistingNode } from './packing/existingnode.ts';
import { floatAt, itemAt } from './packing/matrix.ts';
import { Packing } from './packing/packing.ts';
import { compile, type Problem } from './packing/problem.ts';
import { assignPods } from './plan/assignment.ts';
import { deductRequests, type NodeInfo } from './scheduling/nodeinfo.ts';
import { podRequests } from './scheduling/noderesources.ts';
import { fillOpen } from './search/greedy.ts';

/** A node with more pods on it, as far as it has their room. */
const withPods = (view: NodeInfo, pods: readonly Pod[]): NodeInfo => {
  const free = new Map(view.free);
  for (const pod of pods) deductRequests(free, podRequests(pod));
  for (const [resource, value] of free) {
    free.set(resource, Math.min(view.free.get(resource) ?? 0, Math.max(0, value)));
  }
  return { ...view, free, pods: [...view.pods, ...pods] };
};

/** The cluster with room kept for pods that are promised a node, and without pods that their nodes give back. */
const withPromises = (
  cluster: Cluster,
  nominated: ReadonlyMap<string, readonly Pod[]>,
  gone: ReadonlySet<Pod>,
): Cluster => ({
  ...cluster,
  views: cluster.views.map((view) => {
    const promised = nominated.get(view.name);
    const kept = view.pods.some((pod) => gone.has(pod))
      ? { ...view, pods: view.pods.filter((pod) => !gone.has(pod)) }
      : view;
    return promised ? withPods(kept, promised) : kept;
  }),
});

/** Classes of pods to place, the largest first. */
const largestFirst = ({ podClasses, sizes }: Problem): Int32Array =>
  Int32Array.from(
    [...podClasses.keys()].sort(
      (a, b) =>
        floatAt(sizes.values, sizes.start(b)) - floatAt(sizes.values, sizes.start(a)) ||
        floatAt(sizes.values, sizes.start(b) + 1) - floatAt(sizes.values, sizes.start(a) + 1) ||
        a - b,
    ),
  );

/** Room that is spoken for, beside the pods which have a node. */
export interface SpokenFor {
  /** The cluster with the pods that are to come on the nodes which have room for them. */
  readonly cluster: Cluster;
  /** Machines under way, in the same manner. */
  readonly underWay: readonly NodeInfo[];
  /** Why a node has to stay, by its number. */
  readonly needed: ReadonlyMap<number, string>;
  /** Pods that have found room, by the number of their node; machines under way are numbered after standing nodes. */
  readonly placed: ReadonlyMap<number, readonly Pod[]>;
}

/**
 * Keeps room for every pod that will need it: pods that a node is promised to, pods of nodes that others take out, and
 * `waiting` pods. Machines under way, those that start among them, come first, then nodes that no plan may remove, then `candidates`; a pod that fits
 * nowhere is left to Karpenter.
 */
export const keepRoom = (
  original: Cluster,
  o: {
    readonly candidates: ReadonlySet<number>;
    readonly waiting: readonly Pod[];
    readonly nominated: ReadonlyMap<string, readonly Pod[]>;
  },
): SpokenFor => {
  const coming = comingPodsOf(original);
  const cluster = withPromises(original, o.nominated, new Set(coming.map(({ pod }) => pod)));
  const machines = machinesUnderWay(original).map((view) => withPods(view, o.nominated.get(view.name) ?? []));
  const reasons = new Map<Pod, string>();
  for (const pod of o.waiting) reasons.set(pod, `its room is needed for pod ${podName(pod)}, which waits`);
  for (const { waits, from } of coming) {
    reasons.set(
      waits,
      `its room is needed for pod ${podName(waits)} of node ${from}, which is being taken out`,
    );
  }
  const placed: ReadonlyMap<number, readonly Pod[]> =
    reasons.size > 0 ? place(cluster, machines, [...reasons.keys()], o.candidates) : new Map();
  const needed = new Map<number, string>();
  const filled = [...cluster.views, ...machines].map((view, node) => {
    const pods: readonly Pod[] = placed.get(node) ?? [];
    const [first] = pods;
    const [promised] = o.nominated.get(view.name) ?? [];
    if (first) needed.set(node, reasons.get(first) ?? '');
    else if (promised) needed.set(node, `pod ${podName(promised)} is nominated for it`);
    return first ? withPods(view, pods) : view;
  });
  const standing = cluster.views.length;
  return {
    cluster: { ...cluster, views: filled.slice(0, standing) },
    underWay: filled.slice(standing),
    needed,
    placed,
  };
};

const fixed = (view: NodeInfo, accepts: boolean): ExistingNode => ({
  view,
  price: 0,
  isCandidate: false,
  acceptsPods: accepts,
  movable: new Set(),
});

/** Which nodes the pods come to, by number; machines are numbered after standing nodes. */
const place = (
  cluster: Cluster,
  machines: readonly NodeInfo[],
  pending: readonly Pod[],
  candidates: ReadonlySet<number>,
): ReadonlyMap<number, readonly Pod[]> => {
  const standing = cluster.views.map((view, node) => {
    const facts = itemAt(cluster.facts, node);
    return fixed(view, acceptsPods(facts) || isStarting(facts));
  });
  const problem = compile({
    existingNodes: [...standing, ...machines.map((view) => fixed(view, true))],
    pending,
    launchOptions: [],
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
  });
  const packing = new Packing(problem);
  packing.counts.dropSpreadQuotas();
  const open = standing.flatMap(({ acceptsPods: accepts }, node) => (accepts ? [node] : []));
  const starts = open.filter((node) => isStarting(itemAt(cluster.facts, node)));
  const groups = [
    [...machines.map((_, index) => standing.length + index), ...starts],
    open.filter((node) => !candidates.has(node)),
    open.filter((node) => candidates.has(node)),
  ];
  const left = Int32Array.from(problem.pending);
  const order = largestFirst(problem);
  for (const nodes of groups) {
    // A pod that must join another one finds it in a later round.
    for (let before = -1; before !== sum(left); ) {
      before = sum(left);
      fillOpen(packing, left, nodes, { order });
    }
  }
  const waiting = pending.slice();
  left.forEach((n, podClass) => {
    const pods = itemAt(problem.podClasses, podClass).pods.filter((pod) => !pod.spec.nodeName);
    for (const pod of n > 0 ? pods.slice(-n) : []) waiting.splice(waiting.indexOf(pod), 1);
  });
  const placed = new Map<number, Pod[]>();
  for (const { pod, node } of assignPods(packing, waiting).moves) {
    placed.set(node, [...(placed.get(node) ?? []), pod]);
  }
  return placed;
};

const sum = (counts: Int32Array): number => counts.reduce((total, n) => total + n, 0);

const NEEDED =
  'their room is needed for pods that wait, are nominated or come from nodes that are being taken out';

/**
 * The candidates without those whose room is needed for pods that wait or are on their way, of whatever scheduler; `kept`
 * says which.
 */
export const withRoomKept = (
  standing: Cluster,
  candidates: ReadonlySet<number>,
  schedulers?: readonly string[],
): {
  readonly cluster: Cluster;
  readonly candidates: ReadonlySet<number>;
  readonly kept: readonly { readonly name: string; readonly blocker: Blocker }[];
  /** Whether pods that nobody has placed yet take room of the cluster. */
  readonly presumes: boolean;
} => {
  const { plannable, nominated, foreign } = waitingPodsOf(standing, schedulers);
  const { cluster, needed } = keepRoom(standing, {
    candidates,
    waiting: [...plannable, ...foreign],
    nominated,
  });
  const isFree = (index: number): boolean => !needed.has(index);
  return {
    cluster,
    presumes: needed.size > 0,
    candidates: new Set([...candidates].filter(isFree)),
    kept: [...candidates]
      .filter((index) => !isFree(index))
      .map((index) => ({
        name: itemAt(cluster.views, index).name,
        blocker: { kind: 'room', cause: NEEDED, message: needed.get(index) ?? '' },
      })),
  };
};
