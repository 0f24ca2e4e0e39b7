import type { RebalancePlanSpec, Savings } from '../api/kinds/rebalanceplan.ts';
import type { Pod } from '../api/objects.ts';
import { podName } from '../api/pods.ts';
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
import { poolUsageOf } from './cluster/nodepoolusage.ts';
import { waitingPodsOf } from './cluster/waitingpods.ts';
import type { Catalogue } from './model/catalogue.ts';
import { type InterruptionPolicy, podRiskOf } from './model/interruption.ts';
import type { Snapshot } from './model/snapshot.ts';
import type { BlastRadius } from './packing/blastradius.ts';
import { launchOptionsOf } from './packing/launch/launchoption.ts';
import { intAt, itemAt } from './packing/matrix.ts';
import { Packing } from './packing/packing.ts';
import { compile } from './packing/problem.ts';
import { unplacedReason } from './packing/unplacedreason.ts';
import { assignPods } from './plan/assignment.ts';
import { writePlan } from './plan/planspec.ts';
import { savingsOf } from './plan/savings.ts';
import { keepRoom } from './roomforwaiting.ts';
import { namespaceOf } from './scheduling/interpodaffinity.ts';
import {
  DEFAULT_PREFERENCES,
  hasPreferences,
  type Preferences,
  preferWhileWaiting,
} from './scheduling/preferences.ts';
import { packOntoNewNodes } from './search/construct.ts';
import { type FillOptions, fillOptionsFor } from './search/filloptions.ts';
import { fillOpen, openAndFill } from './search/greedy.ts';
import { improve } from './search/localsearch.ts';
import { rightsize } from './search/rightsize.ts';
import { BOUND_TOLERANCE, phaseTimers, roundsOf } from './search/timebudget.ts';

export interface ProvisionRequest {
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
  /** How much of a workload and of the cluster one node may hold. */
  readonly blastRadius?: BlastRadius;
  /** What the risk of spot interruptions costs; nothing by default. */
  readonly interruption?: InterruptionPolicy;
  /** Rounds of local search; by default as many as the time budget allows. */
  readonly rounds?: number;
  /** How preferred node affinity and soft topology spread count; Respect by default. */
  readonly preferences?: Preferences;
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
}

const respects = (request: ProvisionRequest): boolean =>
  (request.preferences ?? DEFAULT_PREFERENCES) === 'Respect';

const idOf = (pod: { readonly namespace: string; readonly name: string }): string =>
  `${pod.namespace}/${pod.name}`;

/** Turns the pods' preferences into requirements, except for the pods in `relaxed` (namespace/name). */
const withPreferences = (pods: readonly Pod[], cluster: Cluster, relaxed: ReadonlySet<string>): Pod[] => {
  const places = [
    ...cluster.views,
    ...launchOptionsOf(cluster.snapshot.nodePools, cluster.supply, selectedLabelValues(pods)).map(
      (launchOption) => ({
        labels: launchOption.labels,
        name: '',
      }),
    ),
  ];
  const demanding = preferWhileWaiting(pods, places);
  return pods.map((pod, index) => (relaxed.has(podName(pod)) ? pod : itemAt(demanding, index)));
};

/** Places the pending pods, on existing nodes first. `left` is pods without a place, per pod class. */
const placeAll = (
  packing: Packing,
  targets: readonly number[],
  o: FillOptions,
  isOver: () => boolean,
): { readonly packing: Packing; readonly left: Int32Array } => {
  const left = Int32Array.from(packing.problem.pending);
  fillOpen(packing, left, targets, o);
  packOntoNewNodes(packing, left, o, isOver);
  return { packing, left };
};

/** Plans for the pending pods, without the preferences of those in `relaxed`. */
const attempt = (request: ProvisionRequest, relaxed: ReadonlySet<string>): ProvisionResult => {
  const isOver = phaseTimers(request);
  // 1. Gather.
  const standing = clusterOf(request.snapshot, request.catalogue);
  const { plannable, nominated, left: leftOut } = waitingPodsOf(standing, request.schedulers);
  const { cluster, underWay } = keepRoom(standing, { candidates: new Set(), waiting: [], nominated });
  const unplaced: Unplaced[] = leftOut.map(({ pod, reason }) => ({
    namespace: namespaceOf(pod),
    name: pod.metadata.name,
    reason,
  }));
  const waiting =
    respects(request) && plannable.some(hasPreferences)
      ? withPreferences(plannable, cluster, relaxed)
      : plannable;
  if (waiting.length === 0) {
    const reason =
      unplaced.length > 0 ? 'None of the pending pods can be placed.' : 'No pod is waiting for a node.';
    return { plan: null, unplaced, reason };
  }
  // 2. Compile.
  const existingNodes = cluster.facts.map((facts, index) => {
    return {
      view: itemAt(cluster.views, index),
      price: 0,
      billed: billedOf(facts),
      podRisk: podRiskOf(typeOf(facts.node), capacityTypeOf(facts.node), request.interruption),
      isCandidate: false,
      acceptsPods: acceptsPods(facts),
      movable: new Set<Pod>(),
    };
  });
  const coming = underWay.map((view) => {
    return { view, price: 0, isCandidate: false, acceptsPods: true, movable: new Set<Pod>() };
  });
  const problem = compile({
    existingNodes: [...existingNodes, ...coming],
    pending: waiting,
    launchOptions: launchOptionsOf(cluster.snapshot.nodePools, cluster.supply, selectedLabelValues(waiting)),
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
    ...(request.blastRadius && { blastRadius: request.blastRadius }),
    ...(request.catalogue.commitments && { commitments: request.catalogue.commitments }),
    ...(request.interruption && { interruption: request.interruption }),
    poolUsage: poolUsageOf(cluster.snapshot, request.catalogue),
  });
  // 3. Search: existing nodes first, then new nodes, then better ones.
  const targets = [
    ...coming.map((_, index) => existingNodes.length + index),
    ...existingNodes.flatMap(({ acceptsPods }, node) => (acceptsPods ? [node] : [])),
  ];
  const fillOptions = fillOptionsFor(problem, problem.pending);
  let { packing, left } = placeAll(new Packing(problem), targets, fillOptions, isOver.construct);
  if (!packing.satisfiesAllRules()) {
    // Spread quotas failed: each pod now comes only where its rules hold at that moment.
    const strict = new Packing(problem);
    strict.counts.dropSpreadQuotas();
    ({ packing, left } = placeAll(strict, targets, fillOptions, isOver.construct));
  }
  if (left.some((n) => n > 0)) {
    // The heaviest NodePools are at their limits or can't hold these pods: the lighter ones may.
    problem.allowed.copyFrom(problem.allowedAtAnyWeight);
    packing.counts.dropSpreadQuotas();
    openAndFill(packing, left, fillOptions);
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
      unplaced.push({
        namespace: namespaceOf(pod),
        name: pod.metadata.name,
        reason: unplacedReason(packing, podClass, {
          pools: cluster.snapshot.nodePools,
          supply: cluster.supply,
          volumes: cluster.volumes,
        }),
      });
    }
  });
  if (placeable.length === 0) {
    return { plan: null, unplaced, reason: 'None of the pending pods can be placed.' };
  }
  const bill = billOf(request.catalogue, cluster.facts);
  const clusterBefore = bill.total();
  const { spec, green } = writePlan(problem, cluster, assignPods(packing, placeable), request.planName, bill);
  if (green.length === 0 && spec.podsToMigrate?.length === 0) {
    const reason = 'Every other pod that waits has room on a node that is there or on its way.';
    return {
      plan: null,
      unplaced,
      reason: unplaced.length > 0 ? reason : reason.replace('other ', ''),
    };
  }
  const bound = { least, cost: packing.cost() };
  return { plan: { spec, savings: savingsOf({ blue: [], green, clusterBefore, bound }) }, unplaced };
};

/** The request with the part of its time budget that is left since `started`. */
const remaining = (request: ProvisionRequest, started: number): ProvisionRequest => {
  const { clock, timeBudgetMs } = request;
  if (!clock || timeBudgetMs === undefined) return request;
  return { ...request, timeBudgetMs: Math.max(0, timeBudgetMs - (clock() - started)) };
};

/**
 * Finds the cheapest new nodes for pending pods that do not fit onto existing ones; throws SnapshotError or
 * QuantityError on unreadable input. Pods that can't be placed are named with the reason, and the plan is for the
 * others.
 */
export const provision = (request: ProvisionRequest): ProvisionResult => {
  const started = request.clock?.() ?? 0;
  const preferring = new Set(
    request.snapshot.pods.filter((pod) => !pod.spec.nodeName && hasPreferences(pod)).map(podName),
  );
  if (!respects(request) || preferring.size === 0) return attempt(request, preferring);
  const first = attempt(request, new Set());
  const relaxed = first.unplaced.map(idOf).filter((id) => preferring.has(id));
  if (relaxed.length === 0) return first;
  const second = attempt(remaining(request, started), new Set(relaxed));
  // A relaxed pod may have taken another one's place: then all preferences are dropped rather than a pod.
  return second.unplaced.some((pod) => preferring.has(idOf(pod)) && !relaxed.includes(idOf(pod)))
    ? attempt(remaining(request, started), preferring)
    : second;
};
