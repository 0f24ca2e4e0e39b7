import type { RebalancePlanSpec, Savings } from '../api/kinds/rebalanceplan.ts';
import type { Pod } from '../api/objects.ts';
import { podName } from '../api/pods.ts';
import { lowerBound } from './bound/lowerbound.ts';
import { type CoresLimited, limitsOf } from './cluster/clustercores.ts';
import { acceptsPods, billedOf, billOf, clusterOf, selectedLabelValues } from './cluster/clusterview.ts';
import { isStarting } from './cluster/startingnodes.ts';
import { comingPodsOf, waitingPodsOf } from './cluster/waitingpods.ts';
import type { Catalogue } from './model/catalogue.ts';
import { type InterruptionPolicy, podRiskOf } from './model/interruption.ts';
import type { Snapshot } from './model/snapshot.ts';
import { capacityTypeOf, typeOf } from './model/standingmachine.ts';
import type { BlastRadius } from './packing/blastradius.ts';
import { launchOptionsOf } from './packing/launch/launchoption.ts';
import { warningsOf } from './packing/launch/warnings.ts';
import { intAt, itemAt } from './packing/matrix.ts';
import { compile } from './packing/problem.ts';
import { unplacedReason } from './packing/unplacedreason.ts';
import { assignPods } from './plan/assignment.ts';
import { writePlan } from './plan/planspec.ts';
import { savingsOf } from './plan/savings.ts';
import { SpotPools } from './plan/spotpools.ts';
import { dependentPods, WAITS_FOR_OTHERS } from './presumedplaces.ts';
import { type Relaxed, withPreferences } from './relaxedpreferences.ts';
import { keepRoom } from './roomforwaiting.ts';
import { namespaceOf } from './scheduling/interpodaffinity.ts';
import { DEFAULT_PREFERENCES, hasPreferences, type Preferences } from './scheduling/preferences.ts';
import { fillOptionsFor } from './search/filloptions.ts';
import { openAndFill } from './search/greedy.ts';
import { improve } from './search/localsearch.ts';
import { dropMisplaced, placeWaiting } from './search/placewaiting.ts';
import { rightsize } from './search/rightsize.ts';
import { BOUND_TOLERANCE, phaseTimers, remaining, roundsOf } from './search/timebudget.ts';

export interface ProvisionRequest extends CoresLimited {
  readonly snapshot: Snapshot;
  readonly catalogue: Catalogue;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly seed: number;
  /** Milliseconds after which the search ends with the best answer so far. */
  readonly timeBudgetMs?: number;
  /** Milliseconds since any moment, for the time budget. */
  readonly clock?: () => number;
  readonly planName: string;
  /** Pods beside those of the snapshot that nothing is bought for, and whose room on nodes that stand is kept. */
  readonly keepsRoomFor?: readonly Pod[];
  /** How much of a workload and of the cluster one node may hold. */
  readonly blastRadius?: BlastRadius;
  /** What the risk of spot interruptions costs; nothing by default. */
  readonly interruption?: InterruptionPolicy;
  /** Rounds of local search; by default as many as the time budget allows. */
  readonly rounds?: number;
  /** How preferred node affinity and soft topology spread count; Respect by default. */
  readonly preferences?: Preferences;
  /** Whether a claim of spot alone is ordered on demand once no spot can be had, where its NodePool lets it. */
  readonly spotFallback?: boolean;
  /** Names of the schedulers whose pods are planned for; our own when left out. */
  readonly schedulers?: readonly string[];
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
  /** What could not be told or used, as sentences. */
  readonly warnings?: readonly string[];
}

/**
 * The most important pods first, then the oldest: of equal pods without room for all, the last ones get no place, in
 * whatever order the cluster lists them.
 */
const byUrgency = (a: Pod, b: Pod): number =>
  (b.spec.priority ?? 0) - (a.spec.priority ?? 0) ||
  compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
  compare(podName(a), podName(b));

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const respects = (request: ProvisionRequest): boolean =>
  (request.preferences ?? DEFAULT_PREFERENCES) === 'Respect';

const idOf = (pod: { readonly namespace: string; readonly name: string }): string =>
  `${pod.namespace}/${pod.name}`;

const unplacedOf = (pod: Pod, reason: string): Unplaced => ({
  namespace: namespaceOf(pod),
  name: pod.metadata.name,
  reason,
});

/** What a search found, and whether it counts on pods that come somewhere without the plan. */
interface Found {
  readonly result: ProvisionResult;
  readonly presumes: boolean;
}

const nothing = (unplaced: readonly Unplaced[], reason: string): Found => ({
  result: { plan: null, unplaced, reason },
  presumes: false,
});

/** Pods that a search leaves out, as 'namespace/name'; `dependent` ones for the next plan. */
interface LeftOut {
  readonly dependent: Set<string>;
  /** Pods that found no place before, and now keep no volume for one pod from others. */
  readonly passedOver: Map<string, Unplaced>;
}

/** How often a volume for one pod is offered to the next pod when the first found no place: each is a whole search. */
const MOST_OFFERS = 3;

/** One search, and the pods that others left a volume for one pod to. */
const search = (
  request: ProvisionRequest,
  relaxed: Relaxed | undefined,
  { dependent, passedOver }: LeftOut,
): Found & { readonly keepers: ReadonlySet<string> } => {
  const started = request.clock?.() ?? 0;
  // 1. Gather.
  const standing = clusterOf(request.snapshot, request.catalogue);
  const found = waitingPodsOf(standing, request.schedulers, new Set(passedOver.keys()));
  const { nominated, left: leftOut, keepers } = found;
  const plannable = found.plannable.filter((pod) => !passedOver.has(podName(pod)));
  const { cluster, underWay } = keepRoom(standing, {
    candidates: new Set(),
    waiting: request.keepsRoomFor ?? [],
    nominated,
  });
  const unplaced: Unplaced[] = leftOut.map(({ pod, reason }) => unplacedOf(pod, reason));
  unplaced.push(...found.plannable.flatMap((pod) => passedOver.get(podName(pod)) ?? []));
  const none = (reason: string) => ({ ...nothing(unplaced, reason), keepers });
  const urgent = plannable.filter((pod) => !dependent.has(podName(pod))).sort(byUrgency);
  for (const pod of plannable) {
    if (!dependent.has(podName(pod))) continue;
    unplaced.push(unplacedOf(pod, WAITS_FOR_OTHERS));
  }
  const { waiting, originals } =
    relaxed && urgent.some(hasPreferences)
      ? withPreferences(urgent, cluster, relaxed)
      : { waiting: urgent, originals: new Map<Pod, Pod>() };
  if (waiting.length === 0) {
    return none(
      unplaced.length > 0 ? 'None of the pending pods can be placed.' : 'No pod is waiting for a node.',
    );
  }
  // 2. Compile.
  const existingNodes = cluster.facts.map((facts, index) => ({
    view: itemAt(cluster.views, index),
    price: 0,
    billed: billedOf(facts),
    podRisk: podRiskOf(typeOf(facts.node), capacityTypeOf(facts.node), request.interruption),
    isCandidate: false,
    acceptsPods: acceptsPods(facts) || isStarting(facts),
    movable: new Set<Pod>(),
  }));
  const coming = underWay.map((view) => {
    return { view, price: 0, isCandidate: false, acceptsPods: true, movable: new Set<Pod>() };
  });
  const problem = compile({
    existingNodes: [...existingNodes, ...coming],
    pending: waiting,
    originals,
    ...(request.spotFallback && { spotFallback: true }),
    launchOptions: launchOptionsOf(cluster.snapshot.nodePools, cluster.supply, selectedLabelValues(waiting)),
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
    ...(request.blastRadius && { blastRadius: request.blastRadius }),
    ...(request.catalogue.commitments && { commitments: request.catalogue.commitments }),
    ...(request.interruption && { interruption: request.interruption }),
    ...limitsOf(request, cluster.snapshot),
  });
  // 3. Search: existing nodes first, then new nodes, then better ones.
  const isOver = phaseTimers(request, started);
  const targets = [
    ...coming.map((_, index) => existingNodes.length + index),
    ...existingNodes.flatMap(({ acceptsPods }, node) => (acceptsPods ? [node] : [])),
  ];
  const fillOptions = fillOptionsFor(problem, problem.pending);
  const { packing, left } = placeWaiting(problem, targets, fillOptions, isOver.construct);
  if (left.some((n) => n > 0)) {
    // The heaviest NodePools are at their limits or can't hold these pods: the lighter ones may.
    problem.allowed.copyFrom(problem.allowedAtAnyWeight);
    packing.counts.dropSpreadQuotas();
    openAndFill(packing, left, { ...fillOptions, isOver: isOver.construct });
    dropMisplaced(packing, left);
  }
  const placed = problem.pending.map((n, podClass) => n - intAt(left, podClass));
  const isWhole = left.every((n) => n === 0);
  const least = lowerBound(problem, placed, isOver.bound, isWhole ? fillOptions.prices : undefined);
  improve(packing, [], fillOptions, {
    seed: request.seed,
    rounds: roundsOf(request),
    isOver: isOver.search,
    movePrice: 0,
    targetCost: least * (1 + BOUND_TOLERANCE),
  });
  rightsize(packing);
  // 4. Write.
  const placeable = waiting.slice();
  left.forEach((n, podClass) => {
    const pods = itemAt(problem.podClasses, podClass).pods.filter((pod) => !pod.spec.nodeName);
    for (const pod of n > 0 ? pods.slice(-n) : []) {
      placeable.splice(placeable.indexOf(pod), 1);
      const { nodePools: pools } = cluster.snapshot;
      const { supply, volumes } = cluster;
      unplaced.push(unplacedOf(pod, unplacedReason(packing, podClass, { pools, supply, volumes })));
    }
  });
  if (placeable.length === 0) return none('None of the pending pods can be placed.');
  const bill = billOf(request.catalogue, cluster.facts);
  const clusterBefore = bill.total();
  const percent = request.catalogue.spotDiversityPercent;
  const { spec, green } = writePlan(
    problem,
    cluster,
    assignPods(packing, placeable),
    request.planName,
    bill,
    percent === undefined
      ? request
      : { ...request, diversity: { percent, pools: new SpotPools(cluster.facts) } },
  );
  if (green.length === 0 && spec.podsToMigrate?.length === 0) {
    const reason = 'Every other pod that waits has room on a node that is there or on its way.';
    return none(unplaced.length > 0 ? reason : reason.replace('other ', ''));
  }
  const bound = { least, cost: packing.cost() };
  const isPartial = (spec.podsToMigrate ?? []).length < placeable.length;
  return {
    result: { plan: { spec, savings: savingsOf({ blue: [], green, clusterBefore, bound }) }, unplaced },
    keepers,
    presumes: isPartial || nominated.size > 0 || comingPodsOf(standing).length > 0,
  };
};

/** Plans for the pending pods, without the preferences that are relaxed; without any where `relaxed` is left out. */
const attempt = (request: ProvisionRequest, relaxed: Relaxed | undefined): ProvisionResult => {
  const started = request.clock?.() ?? 0;
  const leftOut: LeftOut = { dependent: new Set(), passedOver: new Map() };
  const { dependent, passedOver } = leftOut;
  for (let offers = 0; ; ) {
    const { result, presumes, keepers } = search(remaining(request, started), relaxed, leftOut);
    const starving = result.unplaced.filter(
      (pod) => keepers.has(idOf(pod)) && !dependent.has(idOf(pod)) && !passedOver.has(idOf(pod)),
    );
    if (starving.length > 0 && offers++ < MOST_OFFERS) {
      for (const pod of starving) passedOver.set(idOf(pod), pod);
      continue;
    }
    if (!result.plan || !presumes) return result;
    const found = dependentPods(request.snapshot, request.catalogue, result.plan.spec);
    if (found.length === 0) return result;
    for (const pod of found) dependent.add(pod);
  }
};

/**
 * Plans with as many preferences as cost no pod its place. What yields first: those of the pods that found none, then
 * those of all pods about other pods, then all of them.
 */
const planWithPreferences = (request: ProvisionRequest): ProvisionResult => {
  const started = request.clock?.() ?? 0;
  const first = attempt(request, { pods: new Set(), aboutPods: false });
  if (first.unplaced.length === 0) return first;
  const without = attempt(remaining(request, started), undefined);
  const least = without.unplaced.length;
  if (first.unplaced.length <= least) return first;
  const unplaced = new Set(first.unplaced.map(idOf));
  for (const aboutPods of [false, true]) {
    const next = attempt(remaining(request, started), { pods: unplaced, aboutPods });
    if (next.unplaced.length <= least) return next;
  }
  return without;
};

/**
 * Finds the cheapest new nodes for pending pods that do not fit onto existing ones; throws SnapshotError or
 * QuantityError on unreadable input. Pods that can't be placed are named with the reason, and the plan is for the
 * others.
 */
export const provision = (request: ProvisionRequest): ProvisionResult => {
  const { snapshot, catalogue } = request;
  const waiting = snapshot.pods.filter((pod) => !pod.spec.nodeName);
  const result =
    respects(request) && waiting.some(hasPreferences)
      ? planWithPreferences(request)
      : attempt(request, undefined);
  const warnings = warningsOf(snapshot, catalogue, (pod) => !pod.spec.nodeName);
  return { ...result, ...(warnings.length > 0 && { warnings }) };
};
