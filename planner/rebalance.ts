import type { EvictAs, RebalancePlanSpec, Savings } from '../api/kinds/rebalanceplan.ts';
import { mustGet } from '../api/mustget.ts';
import type { Pod } from '../api/objects.ts';
import { isReschedulable, podName } from '../api/pods.ts';
import { valueAt } from '../api/records/valueat.ts';
import { lowerBound } from './bound/lowerbound.ts';
import { type Blocker, messagesOf } from './cluster/blocker.ts';
import { disruptionBlockers, isInScope, type NodeConstraints, type Scope } from './cluster/candidate.ts';
import {
  acceptsPods,
  billedOf,
  billOf,
  type Cluster,
  clusterOf,
  selectedLabelValues,
} from './cluster/clusterview.ts';
import { allowedDisruptionsByPool } from './cluster/disruptionbudget.ts';
import { type AggressiveMode, createSurgeCheck } from './cluster/evictionblocker.ts';
import { poolUsageOf } from './cluster/nodepoolusage.ts';
import { passedHolds } from './cluster/passedholds.ts';
import type { Catalogue } from './model/catalogue.ts';
import { type InterruptionPolicy, podRiskOf } from './model/interruption.ts';
import type { Snapshot } from './model/snapshot.ts';
import { capacityTypeOf, typeOf } from './model/standingmachine.ts';
import type { BlastRadius } from './packing/blastradius.ts';
import type { ExistingNode } from './packing/existingnode.ts';
import { launchOptionsOf } from './packing/launch/launchoption.ts';
import { warningsOf } from './packing/launch/warnings.ts';
import { floatAt, itemAt } from './packing/matrix.ts';
import { Packing } from './packing/packing.ts';
import { compile } from './packing/problem.ts';
import { limitReasons } from './packing/unplacedreason.ts';
import { type Assignment, assignPods } from './plan/assignment.ts';
import { writePlan } from './plan/planspec.ts';
import { blueNode, savingsOf } from './plan/savings.ts';
import { withRoomKept } from './roomforwaiting.ts';
import { readAmounts } from './scheduling/nodeinfo.ts';
import { DEFAULT_PREFERENCES, type Preferences, preferWhileMoving } from './scheduling/preferences.ts';
import { hasLocalVolume } from './scheduling/volumes.ts';
import { fillOptionsFor } from './search/filloptions.ts';
import { improve } from './search/localsearch.ts';
import { MOVE_TOLERANCE, reduceMoves } from './search/reducemoves.ts';
import { replacePrefix } from './search/replaceprefix.ts';
import { rightsize } from './search/rightsize.ts';
import { BOUND_TOLERANCE, phaseTimers, roundsOf } from './search/timebudget.ts';

export interface RebalanceRequest {
  readonly snapshot: Snapshot;
  readonly catalogue: Catalogue;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly seed: number;
  /** Milliseconds after which the search ends with the best answer so far. */
  readonly timeBudgetMs?: number;
  /** Milliseconds since any moment, for the time budget. */
  readonly clock?: () => number;
  readonly scope?: Scope;
  readonly constraints?: NodeConstraints;
  readonly aggressive?: AggressiveMode;
  /** What pods may be evicted past beyond that, by 'namespace/name'. */
  readonly evictAs?: Readonly<Record<string, EvictAs>>;
  readonly planName: string;
  /** How much of a workload and of the cluster one node may hold. */
  readonly blastRadius?: BlastRadius;
  /** What the risk of spot interruptions costs; nothing by default. */
  readonly interruption?: InterruptionPolicy;
  /** Rounds of local search; by default as many as the time budget allows. */
  readonly rounds?: number;
  /** How preferred node affinity and soft topology spread count; Respect by default. */
  readonly preferences?: Preferences;
  /**
   * The saving that makes moving a pod worth it, as a part of what an average pod costs at the lowest prices: 0.5
   * moves a pod where that saves half of it. Almost 0 by default.
   */
  readonly moveWeight?: number;
  /** Whether a Deployment's only pod gets a surge where no annotation says so; false by default. */
  readonly surgeSingleReplicas?: boolean;
  /** Names of the schedulers whose pods may be moved; our own when left out. */
  readonly schedulers?: readonly string[];
}

/** A node in scope that may not be replaced, and why. */
export interface SkippedNode {
  readonly name: string;
  readonly reasons: string[];
  /** What the reasons are about; a remote planner gives the reasons alone. */
  readonly blockers?: readonly Blocker[];
}

export interface RebalanceResult {
  readonly plan: { readonly spec: RebalancePlanSpec; readonly savings: Savings } | null;
  readonly skippedNodes: readonly SkippedNode[];
  readonly selectedNodes: readonly string[];
  /** Why there is no plan. */
  readonly reason?: string;
  /** What of its users' settings the plan goes past, in sentences. */
  readonly goesPast?: readonly string[];
  /** What could not be told or used, as sentences. */
  readonly warnings?: readonly string[];
}

interface Selection {
  readonly candidates: ReadonlySet<number>;
  readonly skipped: readonly SkippedNode[];
}

const skippedNode = (name: string, blockers: readonly Blocker[]): SkippedNode => ({
  name,
  reasons: messagesOf(blockers),
  blockers,
});

/** The price of the part of a node that no pod requests, by the mean of CPU and memory, in USD per hour. */
const unusedPrice = (cluster: Cluster, index: number): number => {
  const { node, price } = itemAt(cluster.facts, index);
  const { free } = itemAt(cluster.views, index);
  const all = readAmounts(node.status?.allocatable);
  const share = (resource: string): number => (free.get(resource) ?? 0) / Math.max(1, all.get(resource) ?? 0);
  return ((price ?? 0) * (share('cpu') + share('memory'))) / 2;
};

/** Which nodes in scope may be replaced, and why the others may not. */
const select = (cluster: Cluster, request: RebalanceRequest): Selection => {
  const skipped: SkippedNode[] = [];
  const candidates: number[] = [];
  const willSurge = createSurgeCheck(cluster.snapshot.replicaSets, request.surgeSingleReplicas ?? false);
  const budgets = allowedDisruptionsByPool(cluster.facts, request.now);
  cluster.facts.forEach((facts, index) => {
    if (!isInScope(facts.node, request.scope)) return;
    const blockers = disruptionBlockers(facts, {
      now: request.now,
      constraints: request.constraints ?? {},
      mode: request.aggressive ?? {},
      budgets: cluster.snapshot.podDisruptionBudgets,
      allowedDisruptions: (pool) => mustGet(budgets, pool.metadata.name, 'disruption budget of NodePool'),
      hasLocalVolume: (pod) => hasLocalVolume(pod, cluster.volumes),
      willSurge,
      evictAs: (pod) => valueAt(request.evictAs, podName(pod)),
      ...(request.schedulers && { schedulers: request.schedulers }),
    });
    if (blockers.length === 0) candidates.push(index);
    else skipped.push(skippedNode(facts.node.metadata.name, blockers));
  });
  const most = request.constraints?.maxNodes ?? candidates.length;
  candidates.sort((a, b) => unusedPrice(cluster, b) - unusedPrice(cluster, a) || a - b);
  for (const index of candidates.slice(most)) {
    const cause = `no more than ${most} nodes may be replaced, and others have more unused capacity`;
    const blocker: Blocker = { kind: 'most-nodes', cause, message: cause };
    skipped.push(skippedNode(itemAt(cluster.facts, index).node.metadata.name, [blocker]));
  }
  return { candidates: new Set(candidates.slice(0, most).sort((a, b) => a - b)), skipped };
};

const existingNodesOf = (
  cluster: Cluster,
  candidates: ReadonlySet<number>,
  interruption: InterruptionPolicy | undefined,
): ExistingNode[] =>
  cluster.facts.map((facts, index) => {
    const isCandidate = candidates.has(index);
    const view = itemAt(cluster.views, index);
    return {
      view,
      price: isCandidate ? (facts.price ?? 0) : 0,
      billed: billedOf(facts),
      podRisk: podRiskOf(typeOf(facts.node), capacityTypeOf(facts.node), interruption),
      isCandidate,
      // A plan names destinations by their NodeClaims.
      acceptsPods: facts.claim !== undefined && acceptsPods(facts),
      movable: new Set(isCandidate ? view.pods.filter(isReschedulable) : []),
    };
  });

const resultOf = (
  selection: Selection,
  cluster: Cluster,
  plan: RebalanceResult['plan'],
  reason?: string,
): RebalanceResult => ({
  plan,
  skippedNodes: selection.skipped,
  selectedNodes: [...selection.candidates].map((index) => itemAt(cluster.facts, index).node.metadata.name),
  ...(reason !== undefined && { reason }),
});

const isEmpty = (assignment: Assignment): boolean =>
  assignment.removed.length === 0 && assignment.bought.length === 0;

/** Searches; what could not be told is left out of the answer. */
const search = (request: RebalanceRequest): RebalanceResult => {
  const isOver = phaseTimers(request);
  // 1. Gather: the cluster, and which nodes may be replaced.
  const respects = (request.preferences ?? DEFAULT_PREFERENCES) === 'Respect';
  const { snapshot, originals } = respects
    ? preferWhileMoving(request.snapshot)
    : { snapshot: request.snapshot, originals: new Map<Pod, Pod>() };
  const standing = clusterOf(snapshot, request.catalogue);
  const chosen = select(standing, request);
  const { cluster, candidates: free, kept } = withRoomKept(standing, chosen.candidates, request.schedulers);
  const selection: Selection = {
    candidates: free,
    skipped: [...chosen.skipped, ...kept.map(({ name, blocker }) => skippedNode(name, [blocker]))],
  };
  const least = request.constraints?.minClusterSize ?? 0;
  if (cluster.facts.length < least) {
    return resultOf(
      selection,
      cluster,
      null,
      `The cluster has ${cluster.facts.length} nodes, fewer than minClusterSize ${least}.`,
    );
  }
  if (selection.candidates.size === 0) {
    return resultOf(selection, cluster, null, 'No node in scope may be replaced.');
  }
  // 2. Compile.
  const existingNodes = existingNodesOf(cluster, selection.candidates, request.interruption);
  const pods = existingNodes.flatMap(({ movable }) => [...movable]);
  const launchOptions = launchOptionsOf(
    cluster.snapshot.nodePools,
    cluster.supply,
    selectedLabelValues(pods),
  );
  const problem = compile({
    existingNodes,
    pending: [],
    originals,
    replaces: true,
    launchOptions,
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
    ...(request.blastRadius && { blastRadius: request.blastRadius }),
    ...(request.catalogue.commitments && { commitments: request.catalogue.commitments }),
    ...(request.interruption && { interruption: request.interruption }),
    poolUsage: poolUsageOf(cluster.snapshot, request.catalogue),
  });
  // 3. Search.
  const packing = new Packing(problem);
  const before = packing.cost();
  const candidates = [...selection.candidates];
  const demand = packing.demand(problem.pending);
  const fillOptions = fillOptionsFor(problem, demand);
  const worth = demand.reduce((sum, n, podClass) => sum + n * floatAt(fillOptions.worth, podClass), 0);
  const weight = request.moveWeight === undefined ? before * MOVE_TOLERANCE : worth * request.moveWeight;
  const effort = {
    seed: request.seed,
    rounds: roundsOf(request),
    isOver: isOver.construct,
    movePrice: weight / Math.max(1, pods.length),
    targetCost: 0,
  };
  replacePrefix(packing, candidates, fillOptions, effort);
  const bounded = lowerBound(problem, demand, isOver.bound, fillOptions.prices);
  improve(packing, candidates, fillOptions, {
    ...effort,
    isOver: isOver.search,
    targetCost: bounded * (1 + BOUND_TOLERANCE),
  });
  rightsize(packing);
  reduceMoves(packing, candidates, fillOptions, {
    isOver: isOver.reduceMoves,
    rounds: effort.rounds,
    before,
  });
  // 4. Write.
  const assignment = assignPods(packing, []);
  if (isEmpty(assignment) || packing.cost() >= before - 1e-9) {
    const limits = limitReasons(problem);
    return resultOf(selection, cluster, null, ['No cheaper set of nodes was found.', ...limits].join(' '));
  }
  const bill = billOf(request.catalogue, cluster.facts);
  const clusterBefore = bill.total();
  // Fall of the bill when each node is removed after those before it: the sum is then the bill's own.
  const blue = assignment.removed.map((node) => {
    const facts = itemAt(cluster.facts, node);
    const whole = bill.total();
    bill.count(billedOf(facts), -1);
    return blueNode(facts.node, whole - bill.total());
  });
  const { spec, green, raised } = writePlan(problem, cluster, assignment, request.planName, bill);
  const bound = { least: bounded, cost: packing.cost() - raised };
  const goesPast = passedHolds(assignment.removed.map((index) => itemAt(cluster.facts, index)));
  return {
    ...resultOf(selection, cluster, { spec, savings: savingsOf({ blue, green, clusterBefore, bound }) }),
    ...(goesPast.length > 0 && { goesPast }),
  };
};

/**
 * Finds a cheaper set of nodes for the pods of the nodes in scope; throws SnapshotError or QuantityError on unreadable
 * input. Without one the plan is null and a reason is given.
 */
export const rebalance = (request: RebalanceRequest): RebalanceResult => {
  const result = search(request);
  const selected = new Set(result.selectedNodes);
  const isSelected = (pod: Pod): boolean => selected.has(pod.spec.nodeName ?? '') && isReschedulable(pod);
  const warnings = warningsOf(request.snapshot, request.catalogue, isSelected);
  return { ...result, ...(warnings.length > 0 && { warnings }) };
};
