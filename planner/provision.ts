import type { RebalancePlanSpec, Savings } from '../api/kinds/rebalanceplan.ts';
import type { Pod } from '../api/objects.ts';
import { isBoundToNode } from '../api/pods.ts';
import { lowerBound } from './bound/lowerbound.ts';
import { capacityTypeOf, typeOf } from './cluster/candidate.ts';
import {
  acceptsPods,
  billedOf,
  billOf,
  type Cluster,
  clusterOf,
  selectedLabelValues,
} from './cluster/clusterview.ts';
import type { Catalogue } from './model/catalogue.ts';
import { type InterruptionPolicy, podRiskOf } from './model/interruption.ts';
import type { Snapshot } from './model/snapshot.ts';
import type { BlastRadius } from './packing/blastradius.ts';
import type { CompiledOption } from './packing/compiledoption.ts';
import { launchOptionsOf } from './packing/launchoption.ts';
import { Packing } from './packing/packing.ts';
import { compile, type Problem } from './packing/problem.ts';
import { assignPods } from './plan/assignment.ts';
import { writePlan } from './plan/planspec.ts';
import { savingsOf } from './plan/savings.ts';
import { namespaceOf } from './scheduling/interpodaffinity.ts';
import {
  DEFAULT_PREFERENCES,
  hasPreferences,
  type Preferences,
  preferWhileWaiting,
} from './scheduling/preferences.ts';
import { packOntoNewNodes } from './search/construct.ts';
import type { FillOptions } from './search/filloptions.ts';
import { fillOpen, openAndFill } from './search/greedy.ts';
import { improve, optionsFor, rightsize } from './search/localsearch.ts';
import { BOUND_TOLERANCE, roundsOf, timerOf } from './search/timebudget.ts';

export interface ProvisionRequest {
  readonly snapshot: Snapshot;
  readonly catalogue: Catalogue;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly seed: number;
  /** Milliseconds; the search ends then at the latest, with the best answer so far. */
  readonly timeBudgetMs?: number;
  /** Milliseconds from any start; for the time budget alone. */
  readonly clock?: () => number;
  readonly planName: string;
  /** What one node may hold of a workload and of the cluster. */
  readonly blastRadius?: BlastRadius;
  /** What the risk that spot machines are taken back weighs; nothing when left out. */
  readonly interruption?: InterruptionPolicy;
  /** Rounds of local search at most; what time there is for when left out. */
  readonly rounds?: number;
  /** What preferred node affinity and soft spread weigh; Respect when left out. */
  readonly preferences?: Preferences;
}

export interface Unplaced {
  readonly namespace: string;
  readonly name: string;
  readonly reason: string;
}

export interface ProvisionResult {
  readonly plan: { readonly spec: RebalancePlanSpec; readonly savings: Savings } | null;
  readonly unplaced: readonly Unplaced[];
  /** Why there is no plan. */
  readonly reason?: string;
}

/** Pods that wait for a node and may be given one: no gates, nothing else's nomination, not of a DaemonSet. */
const isWaiting = (pod: Pod): boolean => (pod.spec.schedulingGates ?? []).length === 0 && !isBoundToNode(pod);

const whyUnplaced = (problem: Problem, podClass: number): string => {
  const { podClasses, dimensions, sizes, allOptions, allowed } = problem;
  if (allOptions.length === 0) return 'no NodePool offers any instance type of the catalogue';
  const open = allOptions.filter((option) => allowed[option.nodeClass * podClasses.length + podClass]);
  if (open.length === 0) return 'no NodePool offers a node that its selector, affinity and tolerations allow';
  const lacking = dimensions.filter((_, d) => {
    const size = sizes[podClass * dimensions.length + d] ?? 0;
    return !open.some((option) => (option.room[d] ?? 0) >= size);
  });
  if (lacking.length > 0) return `no instance type that it may use has enough ${lacking.join(' and ')}`;
  const holds = (option: CompiledOption): boolean =>
    option.room.every((room, d) => room >= (sizes[podClass * dimensions.length + d] ?? 0));
  const whole = open.some(holds);
  const isEnough = problem.options.some(
    (option) => allowed[option.nodeClass * podClasses.length + podClass] === 1 && holds(option),
  );
  if (whole && !isEnough) return 'too few of what it may use holds it for the minValues of the NodePool';
  return whole
    ? 'its rules about other pods leave no node that it may join'
    : 'no instance type that it may use has enough of every resource at once';
};

const respects = (request: ProvisionRequest): boolean =>
  (request.preferences ?? DEFAULT_PREFERENCES) === 'Respect';

const idOf = (pod: { readonly namespace: string; readonly name: string }): string =>
  `${pod.namespace}/${pod.name}`;

/** The pods with their preferences made demands, but for those in `relaxed`. */
const preferring = (
  pods: readonly Pod[],
  cluster: Cluster,
  catalogue: Catalogue,
  relaxed: ReadonlySet<string>,
): Pod[] => {
  const places = [
    ...cluster.views,
    ...launchOptionsOf(cluster.snapshot.nodePools, catalogue, selectedLabelValues(pods)).map(
      (launchOption) => ({
        labels: launchOption.labels,
        name: '',
      }),
    ),
  ];
  const demanding = preferWhileWaiting(pods, places);
  return pods.map((pod, index) =>
    relaxed.has(idOf({ namespace: namespaceOf(pod), name: pod.metadata.name }))
      ? pod
      : (demanding[index] ?? pod),
  );
};

/** Places pods that wait, room that stands first. `left` is what has no place, per shape. */
const placeAll = (
  packing: Packing,
  targets: readonly number[],
  options: FillOptions,
  isOver: () => boolean,
): { readonly packing: Packing; readonly left: Int32Array } => {
  const left = Int32Array.from(packing.problem.pending);
  fillOpen(packing, left, targets, options);
  packOntoNewNodes(packing, left, options, isOver);
  return { packing, left };
};

/** Plans for the pods that wait; those in `relaxed` without their preferences. */
const attempt = (request: ProvisionRequest, relaxed: ReadonlySet<string>): ProvisionResult => {
  const isOver = timerOf(request);
  // 1. Gather.
  const cluster: Cluster = clusterOf(request.snapshot, request.catalogue);
  const selectedValues = cluster.pending.filter(isWaiting);
  const waiting =
    respects(request) && selectedValues.some(hasPreferences)
      ? preferring(selectedValues, cluster, request.catalogue, relaxed)
      : selectedValues;
  if (waiting.length === 0) return { plan: null, unplaced: [], reason: 'No pod waits for a node.' };
  // 2. Compile.
  const existingNodes = cluster.facts.map((facts, index) => {
    const view = cluster.views[index];
    if (!view) throw new Error('every node has a view');
    return {
      view,
      price: 0,
      billed: billedOf(facts),
      podRisk: podRiskOf(typeOf(facts.node), capacityTypeOf(facts.node), request.interruption),
      isCandidate: false,
      acceptsPods: acceptsPods(facts),
      movable: new Set<Pod>(),
    };
  });
  const problem = compile({
    existingNodes,
    pending: waiting,
    launchOptions: launchOptionsOf(
      cluster.snapshot.nodePools,
      request.catalogue,
      selectedLabelValues(waiting),
    ),
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
    ...(request.blastRadius && { blastRadius: request.blastRadius }),
    ...(request.catalogue.commitments && { commitments: request.catalogue.commitments }),
    ...(request.interruption && { interruption: request.interruption }),
  });
  // 3. Room that stands first, then new nodes, then better ones.
  const targets = existingNodes.flatMap((each, node) => (each.acceptsPods ? [node] : []));
  const options = optionsFor(problem, problem.pending);
  let { packing, left } = placeAll(new Packing(problem), targets, options, isOver.construct);
  if (!packing.satisfiesAllRules()) {
    // What was to follow did not: pods come one by one, each where the rules let it come by then.
    const strict = new Packing(problem);
    strict.counts.dropSpreadQuotas();
    ({ packing, left } = placeAll(strict, targets, options, isOver.construct));
  }
  if (left.some((n) => n > 0)) {
    // The heaviest NodePools are at their limits, or have nothing for these pods: the others' turn.
    problem.allowed.set(problem.allowedAtAnyWeight);
    packing.counts.dropSpreadQuotas();
    openAndFill(packing, left, options);
  }
  const placed = problem.pending.map((n, podClass) => n - (left[podClass] ?? 0));
  const isWhole = left.every((n) => n === 0);
  const least = lowerBound(packing, placed, isOver.bound, isWhole ? options.prices : undefined);
  improve(packing, [], options, {
    seed: request.seed,
    rounds: roundsOf(request),
    isOver: isOver.search,
    movePrice: 0,
    targetCost: least * (1 + BOUND_TOLERANCE),
  });
  rightsize(packing);
  // 4. Write.
  const unplaced: Unplaced[] = [];
  const placeable = waiting.slice();
  left.forEach((n, podClass) => {
    const pods = problem.podClasses[podClass]?.pods.filter((pod) => !pod.spec.nodeName) ?? [];
    for (const pod of n > 0 ? pods.slice(-n) : []) {
      placeable.splice(placeable.indexOf(pod), 1);
      unplaced.push({
        namespace: namespaceOf(pod),
        name: pod.metadata.name,
        reason: whyUnplaced(problem, podClass),
      });
    }
  });
  if (placeable.length === 0) {
    return { plan: null, unplaced, reason: 'None of the pods that wait can be placed.' };
  }
  const bill = billOf(request.catalogue, cluster.facts);
  const clusterBefore = bill.total();
  const { spec, green } = writePlan(problem, cluster, assignPods(packing, placeable), request.planName, bill);
  const bound = { least, cost: packing.cost() };
  return { plan: { spec, savings: savingsOf({ blue: [], green, clusterBefore, bound }) }, unplaced };
};

/** What is left of the time budget since `started`. */
const remaining = (request: ProvisionRequest, started: number): ProvisionRequest => {
  const { clock, timeBudgetMs } = request;
  if (!clock || timeBudgetMs === undefined) return request;
  return { ...request, timeBudgetMs: Math.max(0, timeBudgetMs - (clock() - started)) };
};

/**
 * Finds the cheapest nodes for pods that wait, after what room stands. Pods that can't be placed are named with the
 * reason; the plan is for the rest. Throws SnapshotError or QuantityError on input that can't be read.
 */
export const provision = (request: ProvisionRequest): ProvisionResult => {
  const started = request.clock?.() ?? 0;
  const soft = new Set(
    request.snapshot.pods
      .filter((pod) => !pod.spec.nodeName && hasPreferences(pod))
      .map((pod) => idOf({ namespace: namespaceOf(pod), name: pod.metadata.name })),
  );
  if (!respects(request) || soft.size === 0) return attempt(request, soft);
  const first = attempt(request, new Set());
  const relaxed = first.unplaced.map(idOf).filter((id) => soft.has(id));
  if (relaxed.length === 0) return first;
  const second = attempt(remaining(request, started), new Set(relaxed));
  // What a relaxed pod took may be missing for another: then all preferences give way before a pod does.
  return second.unplaced.some((each) => soft.has(idOf(each)) && !relaxed.includes(idOf(each)))
    ? attempt(remaining(request, started), soft)
    : second;
};
