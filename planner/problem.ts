import { HOSTNAME, KARPENTER_NODEPOOL } from '../api/labels.ts';
import type { DaemonSet, NodePool, NodeSelector, Pod, Taint } from '../api/objects.ts';
import { type BlastRadius, clusterCap, workloadCaps, workloadOf } from './blastradius.ts';
import { withMinValues } from './bundle.ts';
import type { NodeView } from './nodeview.ts';
import type { Offer } from './offer.ts';
import type { NamespaceLabels } from './podaffinity.ts';
import { podRequests, type Requests } from './podresources.ts';
import { compileRules, type GroupView, type Rules } from './rules.ts';
import { type Labels, matchesNodeAffinity, matchesNodeSelector } from './selector.ts';
import { type Shape, shapesOf } from './shape.ts';
import { untoleratedTaint } from './taint.ts';
import { VOLUME_SLOTS, type Volumes, volumeNeeds } from './volume.ts';

/** A node that stands, and what may be done with it. */
export interface Standing {
  readonly view: NodeView;
  /** USD per hour that ends when the node is emptied; 0 for a node that stays whatever happens. */
  readonly price: number;
  /** Whether the plan may empty it. */
  readonly isCandidate: boolean;
  /** Whether pods may be moved onto it. */
  readonly isTarget: boolean;
  /** What its NodePool's limits count for it. */
  readonly capacity?: Requests;
  /** Those of its pods that may move. */
  readonly movable: ReadonlySet<Pod>;
}

/** Offers that differ in nothing that pods ask about, but size and price; none is beaten by another. */
export interface OfferColumn {
  readonly offer: Offer;
  readonly group: number;
  readonly price: number;
  /** What is left for pods once DaemonSets are on, per dimension. */
  readonly room: Float64Array;
}

/** The decision in numbers: shapes × dimensions, groups of nodes, standing nodes and offers. */
export interface Problem {
  readonly dimensions: readonly string[];
  readonly shapes: readonly Shape[];
  /** shapes × dimensions. */
  readonly sizes: Float64Array;
  readonly standing: readonly Standing[];
  readonly standingGroup: Int32Array;
  /** Per standing node, what is left with all its pods on it; nodes × dimensions. */
  readonly standingFree: Float64Array;
  /** Per standing node, shape of each of its pods, in the order of view.pods. */
  readonly standingShapes: readonly Int32Array[];
  readonly groups: readonly GroupView[];
  /** groups × shapes: 1 where the node's labels and taints let the pod in. */
  readonly allowed: Uint8Array;
  /** The same, were all NodePools of one weight. */
  readonly anyWeight: Uint8Array;
  readonly columns: readonly OfferColumn[];
  /** Every offer, those beaten by others too: what a claim may name as its choices. */
  readonly everyColumn: readonly OfferColumn[];
  readonly rules: Rules;
  /** Pods that wait for a node, per shape. */
  readonly pending: Int32Array;
}

const keysOfSelector = (keys: Set<string>, selector: NodeSelector | undefined): void => {
  for (const term of selector?.nodeSelectorTerms ?? []) {
    for (const each of term.matchExpressions ?? []) keys.add(each.key);
    if (term.matchFields?.length) keys.add('metadata.name');
  }
};

const keysOfPod = (keys: Set<string>, spec: Pod['spec']): void => {
  for (const key in spec.nodeSelector) keys.add(key);
  keysOfSelector(keys, spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution);
  for (const each of spec.topologySpreadConstraints ?? []) keys.add(each.topologyKey);
  for (const list of [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity]) {
    for (const term of list?.requiredDuringSchedulingIgnoredDuringExecution ?? []) keys.add(term.topologyKey);
  }
};

const podOf = (set: DaemonSet): Pod => ({
  metadata: {
    name: set.metadata.name,
    namespace: set.metadata.namespace ?? 'default',
    labels: set.spec.template.metadata?.labels ?? {},
  },
  spec: set.spec.template.spec,
});

/** Taints that the DaemonSet controller makes its pods tolerate. */
const ALWAYS_TOLERATED = new Set([
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/disk-pressure',
  'node.kubernetes.io/memory-pressure',
  'node.kubernetes.io/pid-pressure',
  'node.kubernetes.io/unschedulable',
]);

/** The DaemonSets whose pods a node with these labels and taints will carry. */
export const daemonsOn = (
  daemonSets: readonly DaemonSet[],
  labels: Labels,
  taints: readonly Taint[],
): DaemonSet[] =>
  daemonSets.filter((set) => {
    const pod = podOf(set);
    const felt = taints.filter((taint) => !ALWAYS_TOLERATED.has(taint.key));
    return matchesNodeAffinity(pod, labels, '') && untoleratedTaint(felt, pod.spec.tolerations) === null;
  });

/** What DaemonSets take of every node that they run on. */
export const daemonRequests = (daemonSets: readonly DaemonSet[]): Requests => {
  const total: Requests = new Map();
  for (const set of daemonSets) {
    for (const [resource, value] of podRequests(podOf(set))) {
      total.set(resource, (total.get(resource) ?? 0) + value);
    }
  }
  return total;
};

/** Groups nodes by the labels that somebody asks about and by their taints. */
class Groups {
  readonly views: GroupView[] = [];
  private readonly ids = new Map<string, number>();
  private readonly keys: readonly string[];

  private readonly splitsOffers: boolean;

  /** `splitsOffers` keeps nodes to come apart from those that stand. */
  constructor(keys: readonly string[], splitsOffers: boolean) {
    this.keys = keys;
    this.splitsOffers = splitsOffers;
  }

  of(labels: Labels, taints: readonly Taint[], name: string): number {
    const values = this.keys.map((key) => {
      if (key === 'metadata.name') return name;
      // Every node has a hostname of its own, which would make every node a group; matchFields is the way to ask for one.
      return key === HOSTNAME && name === '' ? '' : (labels[key] ?? null);
    });
    const id = JSON.stringify([
      values,
      taints.map((taint) => [taint.key, taint.value, taint.effect]),
      this.splitsOffers && name === '',
    ]);
    const known = this.ids.get(id);
    if (known !== undefined) return known;
    this.ids.set(id, this.views.length);
    this.views.push({ name, labels, taints });
    return this.views.length - 1;
  }
}

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const isBeaten = (column: OfferColumn, by: OfferColumn): boolean => {
  if (by.price > column.price) return false;
  for (let d = 0; d < column.room.length; d += 1) {
    if ((by.room[d] ?? 0) < (column.room[d] ?? 0)) return false;
  }
  return true;
};

/** Keeps, of each group's columns, those that no other beats in price and room. */
const prune = (columns: OfferColumn[]): OfferColumn[] => {
  const kept = new Map<number, OfferColumn[]>();
  const ordered = [...columns].sort((a, b) => a.price - b.price || (b.room[0] ?? 0) - (a.room[0] ?? 0));
  for (const column of ordered) {
    const rivals = kept.get(column.group) ?? [];
    if (rivals.some((rival) => isBeaten(column, rival))) continue;
    rivals.push(column);
    kept.set(column.group, rivals);
  }
  return [...kept.values()].flat();
};

/** groups × shapes: where labels and taints let a pod in; shapes that demand the same of nodes are asked once. */
const allowedOf = (shapes: readonly Shape[], groups: readonly GroupView[]): Uint8Array => {
  const demands = new Map<string, number[]>();
  shapes.forEach((shape, index) => {
    const { nodeSelector, affinity, tolerations } = shape.pod.spec;
    const key = JSON.stringify([nodeSelector, affinity?.nodeAffinity, tolerations, shape.selectors]);
    const same = demands.get(key);
    if (same) same.push(index);
    else demands.set(key, [index]);
  });
  const allowed = new Uint8Array(groups.length * shapes.length);
  for (const same of demands.values()) {
    const first = shapes[same[0] ?? 0];
    if (!first) continue;
    const { pod, selectors } = first;
    groups.forEach((group, g) => {
      const fits =
        untoleratedTaint(group.taints, pod.spec.tolerations) === null &&
        matchesNodeAffinity(pod, group.labels, group.name) &&
        selectors.every((selector) => matchesNodeSelector(selector, group.labels, group.name));
      if (fits) for (const shape of same) allowed[g * shapes.length + shape] = 1;
    });
  }
  return allowed;
};

/** How many volumes a node to come takes is not known before it is there. */
const UNLIMITED = 1e9;

const weightOf = (pool: NodePool): number => pool.spec.weight ?? 0;

/** Leaves each shape, of the nodes to come, those of the heaviest NodePool that has one that holds it. */
const preferHeavy = (
  allowed: Uint8Array,
  columns: readonly OfferColumn[],
  shapes: number,
  sizes: Float64Array,
): void => {
  const width = columns[0]?.room.length ?? 0;
  for (let shape = 0; shape < shapes; shape += 1) {
    let heaviest = Number.NEGATIVE_INFINITY;
    for (const column of columns) {
      const fits =
        allowed[column.group * shapes + shape] &&
        column.room.every((room, d) => room >= (sizes[shape * width + d] ?? 0));
      if (fits) heaviest = Math.max(heaviest, weightOf(column.offer.pool));
    }
    for (const column of columns) {
      if (weightOf(column.offer.pool) < heaviest) allowed[column.group * shapes + shape] = 0;
    }
  }
};

/** Compiles a decision. `priceOf` weighs an offer's price with its risk. Throws a QuantityError. */
export const compile = (input: {
  readonly standing: readonly Standing[];
  readonly pending: readonly Pod[];
  readonly offers: readonly Offer[];
  readonly daemonSets: readonly DaemonSet[];
  readonly namespaces: NamespaceLabels;
  readonly volumes?: Volumes;
  readonly blastRadius?: BlastRadius;
  readonly priceOf?: (offer: Offer) => number;
}): Problem => {
  const everyPod = [...input.standing.flatMap((each) => each.view.pods), ...input.pending];
  const { volumes } = input;
  const caps = workloadCaps(everyPod, input.blastRadius);
  const mostPods = clusterCap(everyPod.length, input.blastRadius);
  const shapes = shapesOf(everyPod, (pod) => {
    const workload = workloadOf(pod);
    return {
      ...(volumes ? volumeNeeds(pod, volumes) : { selectors: [], slots: new Map() }),
      workload: workload !== null && caps.has(workload) ? workload : null,
    };
  });
  const shapeOf = new Map<Pod, number>();
  shapes.forEach((shape, index) => {
    for (const pod of shape.pods) shapeOf.set(pod, index);
  });

  const keys = new Set<string>();
  for (const shape of shapes) {
    keysOfPod(keys, shape.pod.spec);
    for (const selector of shape.selectors) keysOfSelector(keys, selector);
  }
  for (const set of input.daemonSets) keysOfPod(keys, set.spec.template.spec);
  const asksForHost = shapes.some((shape) => {
    const own = new Set<string>();
    const { topologySpreadConstraints: _, affinity, ...rest } = shape.pod.spec;
    keysOfPod(own, {
      ...rest,
      ...(affinity?.nodeAffinity && { affinity: { nodeAffinity: affinity.nodeAffinity } }),
    });
    return own.has(HOSTNAME);
  });
  if (!asksForHost) keys.delete(HOSTNAME);
  const isWeighted = new Set(input.offers.map((offer) => weightOf(offer.pool))).size > 1;
  if (isWeighted) keys.add(KARPENTER_NODEPOOL);
  const groups = new Groups([...keys].sort(), isWeighted);

  const used = new Set<string>();
  for (const shape of shapes)
    for (const [resource, value] of shape.requests) if (value > 0) used.add(resource);
  const dimensions = [
    'cpu',
    'memory',
    'pods',
    ...[...used].filter((r) => !['cpu', 'memory', 'pods'].includes(r)).sort(),
  ];
  const width = dimensions.length;
  const sizes = new Float64Array(shapes.length * width);
  shapes.forEach((shape, index) => {
    dimensions.forEach((resource, d) => {
      sizes[index * width + d] = shape.requests.get(resource) ?? 0;
    });
  });

  const standingFree = new Float64Array(input.standing.length * width);
  const standingGroup = Int32Array.from(input.standing, (each) =>
    groups.of(
      each.view.labels,
      each.view.unschedulable ? [...each.view.taints, UNSCHEDULABLE] : each.view.taints,
      each.view.name,
    ),
  );
  const volumeRoom = (resource: string, index: number): number => {
    const view = input.standing[index]?.view;
    const limit = volumes?.limits.get(view?.name ?? '')?.get(resource.slice(VOLUME_SLOTS.length));
    if (limit === undefined) return UNLIMITED;
    const held = (view?.pods ?? []).map((pod) => shapes[shapeOf.get(pod) ?? -1]?.requests.get(resource) ?? 0);
    return limit - held.reduce((sum, n) => sum + n, 0);
  };
  input.standing.forEach((each, index) => {
    dimensions.forEach((resource, d) => {
      standingFree[index * width + d] = resource.startsWith(VOLUME_SLOTS)
        ? volumeRoom(resource, index)
        : Math.min(
            each.view.free.get(resource) ?? 0,
            resource === 'pods' ? mostPods - each.view.pods.length : Number.POSITIVE_INFINITY,
          );
    });
  });
  const standingShapes = input.standing.map((each) =>
    Int32Array.from(each.view.pods, (pod) => shapeOf.get(pod) ?? -1),
  );

  const daemonsOf = new Map<number, Requests>();
  const columns = input.offers.map((offer): OfferColumn => {
    const taints = offer.pool.spec.template.spec.taints ?? [];
    const group = groups.of({ ...offer.labels, [HOSTNAME]: '' }, taints, '');
    let daemons = daemonsOf.get(group);
    if (!daemons) {
      daemons = daemonRequests(daemonsOn(input.daemonSets, offer.labels, taints));
      daemonsOf.set(group, daemons);
    }
    const taken = daemons;
    const cap = mostPods + (taken.get('pods') ?? 0);
    const room = Float64Array.from(dimensions, (resource) =>
      resource.startsWith(VOLUME_SLOTS)
        ? UNLIMITED
        : Math.min(
            offer.allocatable.get(resource) ?? 0,
            resource === 'pods' ? cap : Number.POSITIVE_INFINITY,
          ) - (taken.get(resource) ?? 0),
    );
    return { offer, group, price: input.priceOf?.(offer) ?? offer.price, room };
  });

  const allowed = allowedOf(shapes, groups.views);
  const rules = compileRules(
    shapes.map((shape) => shape.pod),
    groups.views,
    input.namespaces,
    [...caps].map(([workload, most]) => ({
      most,
      shapes: shapes.flatMap((shape, index) => (shape.workload === workload ? [index] : [])),
    })),
  );
  const everyColumn = columns.filter((column) => column.room.every((value) => value >= 0));
  const usable = withMinValues(everyColumn, allowed, shapes.length, rules.keys);
  const anyWeight = Uint8Array.from(allowed);
  if (isWeighted) preferHeavy(allowed, usable, shapes.length, sizes);

  const pending = new Int32Array(shapes.length);
  for (const pod of input.pending) {
    const shape = shapeOf.get(pod) ?? -1;
    pending[shape] = (pending[shape] ?? 0) + 1;
  }
  return {
    dimensions,
    shapes,
    sizes,
    standing: input.standing,
    standingGroup,
    standingFree,
    standingShapes,
    groups: groups.views,
    allowed,
    anyWeight,
    columns: prune(usable),
    everyColumn,
    rules,
    pending,
  };
};
