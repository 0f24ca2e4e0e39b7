import type { RebalancePlanSpec, Savings } from '../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import { isReschedulable } from '../api/pods.ts';
import { valueAt } from '../api/records/valueat.ts';
import { lowerBound } from './bound/lowerbound.ts';
import { type CoresLimited, limitsOf } from './cluster/clustercores.ts';
import { billedOf, billOf, type Cluster, clusterOf, selectedLabelValues } from './cluster/clusterview.ts';
import { passedHolds } from './cluster/passedholds.ts';
import type { Catalogue } from './model/catalogue.ts';
import type { InterruptionPolicy } from './model/interruption.ts';
import type { Snapshot } from './model/snapshot.ts';
import type { BlastRadius } from './packing/blastradius.ts';
import { launchOptionsOf } from './packing/launch/launchoption.ts';
import { withoutDoubts } from './packing/launch/reliable.ts';
import { warningsOf } from './packing/launch/warnings.ts';
import { floatAt, itemAt } from './packing/matrix.ts';
import { Packing } from './packing/packing.ts';
import { compile, type Problem } from './packing/problem.ts';
import { limitReasons } from './packing/unplacedreason.ts';
import type { Diversity } from './plan/alternatives.ts';
import { type Assignment, assignPods } from './plan/assignment.ts';
import { writePlan } from './plan/planspec.ts';
import { blueNode, savingsOf } from './plan/savings.ts';
import { SpotPools } from './plan/spotpools.ts';
import { dependentNodes, NODE_WAITS_FOR_OTHERS } from './presumedplaces.ts';
import { withRoomKept } from './roomforwaiting.ts';
import { selectorsOfMoves } from './scheduling/destination.ts';
import { DEFAULT_PREFERENCES, type Preferences, preferWhileMoving } from './scheduling/preferences.ts';
import type { SearchWatch } from './search/effort.ts';
import { fillOptionsFor } from './search/filloptions.ts';
import { improve } from './search/localsearch.ts';
import { MOVE_TOLERANCE, reduceMoves } from './search/reducemoves.ts';
import { replaceMustGo, replacePrefix } from './search/replaceprefix.ts';
import { rightsize } from './search/rightsize.ts';
import { BOUND_TOLERANCE, notCheaper, phaseTimers, remaining, roundsOf } from './search/timebudget.ts';
import {
  existingNodesOf,
  mustGoOf,
  premiumOf,
  type Selection,
  type SelectionRequest,
  type SkippedNode,
  select,
  skippedNode,
  withMustGo,
  withoutPlace,
} from './selection.ts';

export interface RebalanceRequest extends SelectionRequest, CoresLimited {
  readonly snapshot: Snapshot;
  readonly catalogue: Catalogue;
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
  /**
   * The saving that makes moving a pod worth it, as a part of what an average pod costs at the lowest prices: 0.5
   * moves a pod where that saves half of it. Almost 0 by default.
   */
  readonly moveWeight?: number;
  /** What whoever asks wants saved at least, in percent of the removed nodes and in USD a month: diversity leaves that. */
  readonly leastSavings?: { readonly percent?: number; readonly monthly?: number };
  readonly watch?: SearchWatch;
  /** Whether a claim of spot alone is ordered on demand once no spot can be had, where its NodePool lets it. */
  readonly spotFallback?: boolean;
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

/**
 * Writes a plan; workloads are spread over spot pools only where what that costs leaves the plan within its limits and what
 * it has to save.
 */
const write = (request: RebalanceRequest, problem: Problem, cluster: Cluster, assignment: Assignment) => {
  const attempt = (diversity?: Diversity) => {
    const bill = billOf(request.catalogue, cluster.facts);
    const clusterBefore = bill.total();
    let most = clusterBefore;
    // Fall of the bill when each node is removed after those before it: the sum is then the bill's own.
    const blue = assignment.removed.map((node) => {
      const facts = itemAt(cluster.facts, node);
      const whole = bill.total();
      bill.count(billedOf(facts), -1);
      const mustGo = mustGoOf(request, facts.node);
      const price = whole - bill.total();
      most += premiumOf(facts, mustGo);
      return blueNode(facts.node, price, mustGo);
    });
    const { percent = Number.NEGATIVE_INFINITY, monthly = Number.NEGATIVE_INFINITY } =
      request.leastSavings ?? {};
    const removedPrice = clusterBefore - bill.total();
    const leastSaved = Math.max((removedPrice * percent) / 100, monthly / HOURS_PER_MONTH);
    const o = { ...request, ...(diversity && { diversity }) };
    const written = writePlan(problem, cluster, assignment, request.planName, bill, o);
    const after = bill.total();
    const isWithin = after < most - 1e-9 && clusterBefore - after >= leastSaved;
    return { ...written, blue, clusterBefore, isWithin };
  };
  const percent = request.catalogue.spotDiversityPercent;
  if (percent === undefined) return attempt();
  const removed = new Set(assignment.removed);
  const pools = new SpotPools(cluster.facts.filter((_, index) => !removed.has(index)));
  const spreadPlan = attempt({ percent, pools });
  return spreadPlan.isWithin ? spreadPlan : attempt();
};

/** An answer, and whether pods whose nodes kube-scheduler has yet to choose took room in it. */
interface Found {
  readonly result: RebalanceResult;
  readonly presumes: boolean;
}

/** Searches without the nodes that are left for the next plan; what could not be told is left out of the answer. */
const search = (request: RebalanceRequest, left: ReadonlySet<string>): Found => {
  const started = request.clock?.() ?? 0;
  request.watch?.begin();
  // 1. Gather: the cluster, and which nodes may be replaced.
  const respects = (request.preferences ?? DEFAULT_PREFERENCES) === 'Respect';
  const { snapshot, originals } = respects
    ? preferWhileMoving(request.snapshot)
    : { snapshot: request.snapshot, originals: new Map<Pod, Pod>() };
  const standing = clusterOf(snapshot, request.catalogue);
  const chosen = select(standing, request);
  const nameOf = (index: number): string => itemAt(standing.facts, index).node.metadata.name;
  const now = new Set([...chosen.candidates].filter((index) => !left.has(nameOf(index))));
  const { cluster, candidates: free, kept, presumes } = withRoomKept(standing, now, request.schedulers);
  const selection: Selection = {
    candidates: free,
    skipped: [
      ...chosen.skipped,
      ...[...chosen.candidates]
        .filter((index) => !now.has(index))
        .map((index) => skippedNode(nameOf(index), [NODE_WAITS_FOR_OTHERS])),
      ...kept.map(({ name, blocker }) => skippedNode(name, [blocker])),
    ],
  };
  const without = (reason: string, answer = selection): Found => ({
    result: resultOf(answer, cluster, null, reason),
    presumes,
  });
  const least = request.constraints?.minClusterSize ?? 0;
  if (cluster.facts.length < least) {
    return without(`The cluster has ${cluster.facts.length} nodes, fewer than minClusterSize ${least}.`);
  }
  if (selection.candidates.size === 0) return without('No node in scope may be replaced.');
  // 2. Compile.
  const existingNodes = existingNodesOf(cluster, selection.candidates, request);
  const pods = existingNodes.flatMap(({ movable }) => [...movable]);
  const launchOptions = launchOptionsOf(
    cluster.snapshot.nodePools,
    cluster.supply,
    selectedLabelValues(pods),
  );
  const problem = compile({
    existingNodes,
    pending: [],
    selectorsOf: selectorsOfMoves(cluster.facts, (index) => itemAt(existingNodes, index).acceptsPods),
    originals,
    replaces: true,
    launchOptions,
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
    ...(request.blastRadius && { blastRadius: request.blastRadius }),
    ...(request.catalogue.commitments && { commitments: request.catalogue.commitments }),
    ...(request.interruption && { interruption: request.interruption }),
    ...limitsOf(request, cluster.snapshot),
  });
  // 3. Search.
  const isOver = phaseTimers(request, started);
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
  replaceMustGo(packing, fillOptions, effort);
  const bounded = lowerBound(problem, demand, isOver.bound, fillOptions.prices);
  improve(packing, candidates, fillOptions, {
    ...effort,
    isOver: isOver.search,
    onPoll: (rounds, cost) => request.watch?.advance(rounds, before - cost),
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
  const answer = withoutPlace(selection, cluster, request, new Set(assignment.removed));
  if (isEmpty(assignment) || packing.cost() >= before - 1e-9) {
    const [dear] = answer.skipped.slice(selection.skipped.length);
    const what = dear
      ? `Node ${dear.name} must go, and ${dear.reasons.join(', ')}.`
      : notCheaper(isOver.search());
    return without([what, ...limitReasons(problem)].join(' '), answer);
  }
  const { blue, clusterBefore, ...written } = write(request, problem, cluster, assignment);
  const { green, raised } = written;
  const spec = withMustGo(written.spec, cluster, request);
  const cost = packing.cost() - packing.premium() - raised;
  // The bound counts the premium of a node that must go and had to stay.
  const bound = { least: Math.min(bounded, Math.max(0, cost)), cost };
  const removed = assignment.removed.map((index) => itemAt(cluster.facts, index));
  const goesPast = passedHolds(removed.filter(({ node }) => mustGoOf(request, node) === undefined));
  const result = {
    ...resultOf(answer, cluster, { spec, savings: savingsOf({ blue, green, clusterBefore, bound }) }),
    ...(goesPast.length > 0 && { goesPast }),
  };
  return { result, presumes };
};

/** Searches until the rules of all pods that move hold, wherever kube-scheduler places those that wait. */
const searchInOrder = (request: RebalanceRequest): RebalanceResult => {
  const { snapshot, catalogue } = request;
  const started = request.clock?.() ?? 0;
  const left = new Set<string>();
  for (;;) {
    const { result, presumes } = search(remaining(request, started), left);
    if (!result.plan || !presumes) return result;
    const nodes = dependentNodes(snapshot, catalogue, result.plan.spec);
    if (nodes.every((name) => left.has(name))) return result;
    for (const name of nodes) left.add(name);
  }
};

/** Searches once more with spot in doubt wherever a node that must go stays without it, and takes what replaces more. */
const searchPastDoubts = (request: RebalanceRequest): RebalanceResult => {
  const started = request.clock?.() ?? 0;
  const found = searchInOrder(request);
  const leaving = found.selectedNodes.filter((name) => valueAt(request.mustGo, name) !== undefined).length;
  const replacedBy = ({ plan }: RebalanceResult): number =>
    (plan?.spec.nodeClaimsToDelete ?? []).filter(({ mustGo }) => mustGo !== undefined).length;
  if (replacedBy(found) >= leaving) return found;
  const catalogue = withoutDoubts(request.catalogue);
  if (!catalogue) return found;
  const other = searchInOrder({ ...remaining(request, started), catalogue });
  return replacedBy(other) > replacedBy(found) ? other : found;
};

/**
 * Finds a cheaper set of nodes for the pods of the nodes in scope, in which none of those that must go is left where that
 * can be had; throws SnapshotError or QuantityError on unreadable input. Without one the plan is null and a reason is given.
 */
export const rebalance = (request: RebalanceRequest): RebalanceResult => {
  const result = searchPastDoubts(request);
  const selected = new Set(result.selectedNodes);
  const isSelected = (pod: Pod): boolean => selected.has(pod.spec.nodeName ?? '') && isReschedulable(pod);
  const warnings = warningsOf(request.snapshot, request.catalogue, isSelected);
  return { ...result, ...(warnings.length > 0 && { warnings }) };
};
