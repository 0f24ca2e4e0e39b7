import type { RebalancePlanSpec, Savings } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { isInScope } from '../../planner/cluster/candidate.ts';
import { buyingScoped, isScopedNode } from '../../planner/model/nodepool.ts';
import { afterPlan, nodesFilledBy } from '../../planner/plan/afterplan.ts';
import { savedPercent } from '../../planner/plan/savings.ts';
import {
  type BeginSearch,
  type Planning,
  type PlanningAnswer,
  PlanningError,
  type PlanningRequest,
  PlanningTimeout,
} from './plannerworker.ts';
import { estimatedBytes, MAX_PLAN_BYTES, PART_BYTES, planBytes } from './plansize.ts';

/**
 * A decision that is too large for one plan becomes several that share no node, each planned beside those before it. So does one of
 * nodes of scoped mode and others: what takes the place of the former carries their taint and labels. See
 * docs/designs/0062-scoped-purchases.md.
 */

export interface PartsAnswer {
  /** The plans, in the order of their parts; none when no cheaper set of nodes was found. */
  readonly plans: readonly { readonly spec: RebalancePlanSpec; readonly savings: Savings }[];
  readonly selectedNodes: readonly string[];
  readonly skippedNodes: PlanningAnswer['skippedNodes'];
  /** What of its users' settings the plans go past, in sentences. */
  readonly goesPast?: readonly string[];
  /** Why there is no plan. */
  readonly reason?: string;
}

export interface PartsOptions {
  readonly planning: Planning;
  /** The name of the n-th plan, counted from 1. */
  readonly planNameOf: (part: number) => string;
  readonly begin?: BeginSearch;
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Bytes; by default those that the API server takes with room to spare. */
  readonly maxBytes?: number;
  readonly partBytes?: number;
}

type Part = readonly string[];

/** Least time for the search of one part, in milliseconds. */
const LEAST_SEARCH_MS = 500;

/**
 * Nodes in scope, those of a NodePool together: they are the likeliest to replace each other. Those of scoped mode come last.
 */
const nodesInScope = ({ snapshot, scope }: PlanningRequest): readonly Node[] => {
  const inScope = snapshot.nodes.filter((node) => isInScope(node, scope));
  const byPool = Map.groupBy(inScope, ({ metadata }) => metadata.labels?.[KARPENTER_NODEPOOL] ?? '');
  const nodes = [...byPool.values()].flat();
  return [...nodes.filter((node) => !isScopedNode(node)), ...nodes.filter(isScopedNode)];
};

type Estimate = (name: string) => number;

/** How nodes are grouped into parts. */
interface Cutting {
  readonly estimate: Estimate;
  readonly partBytes: number;
  /** Names of the nodes of scoped mode, which share no part with others. */
  readonly scoped: ReadonlySet<string>;
}

const scopedNodes = ({ snapshot }: PlanningRequest): ReadonlySet<string> =>
  new Set(snapshot.nodes.filter(isScopedNode).map(({ metadata }) => metadata.name));

/** What each node may take in a plan, in bytes, by what its pods say. */
const estimatesFor = (request: PlanningRequest): Estimate => {
  const pods = Map.groupBy(request.snapshot.pods, (pod: Pod) => pod.spec.nodeName ?? '');
  return (name) => estimatedBytes(name, pods.get(name) ?? [], request.planName);
};

const groups = (names: readonly string[], { estimate, partBytes, scoped }: Cutting): readonly Part[] => {
  const parts: { names: string[]; bytes: number; isScoped: boolean }[] = [];
  for (const name of names) {
    const bytes = estimate(name);
    const last = parts.at(-1);
    if (last && last.bytes + bytes <= partBytes && last.isScoped === scoped.has(name)) {
      last.names.push(name);
      last.bytes += bytes;
    } else parts.push({ names: [name], bytes, isScoped: scoped.has(name) });
  }
  return parts.map(({ names }) => names);
};

const totalOf = (part: Part, estimate: Estimate): number =>
  part.reduce((sum, name) => sum + estimate(name), 0);

/** Groups nodes so that the plan of each group has about `partBytes`; one group when all may be in one plan and fit. */
export const partition = (request: PlanningRequest, partBytes = PART_BYTES): readonly Part[] =>
  groups(
    nodesInScope(request).map(({ metadata }) => metadata.name),
    { estimate: estimatesFor(request), partBytes, scoped: scopedNodes(request) },
  );

const endAtTimeout = (error: unknown): undefined => {
  if (!(error instanceof PlanningTimeout)) throw error;
};

const halves = (part: Part): readonly Part[] => {
  const middle = Math.ceil(part.length / 2);
  return [part.slice(0, middle), part.slice(middle)];
};

/**
 * The parts still to plan once a plan turned out larger than its estimate: cut anew by what it took, since most nodes of a
 * scope are alike and each plan that is too large costs a search.
 */
const recut = ([part = [], ...others]: readonly Part[], bytes: number, o: Cutting): readonly Part[] => {
  const perEstimate = bytes / totalOf(part, o.estimate);
  const again = groups([part, ...others].flat(), { ...o, partBytes: o.partBytes / perEstimate });
  return (again[0]?.length ?? 0) < part.length ? again : [...halves(part), ...others];
};

/** Searches for the plans of a request. Throws what the planner throws, and PlanningError for a node too large to plan. */
export const planInParts = async (request: PlanningRequest, o: PartsOptions): Promise<PartsAnswer> => {
  const maxBytes = o.maxBytes ?? MAX_PLAN_BYTES;
  const deadline = o.now() + o.timeoutMs;
  const searchEnd = o.now() + (request.timeBudgetMs ?? o.timeoutMs);
  const partBytes = o.partBytes ?? PART_BYTES;
  const estimate = estimatesFor(request);
  const scoped = scopedNodes(request);
  const initial = partition(request, partBytes);
  let queue: readonly Part[] = initial;
  const isWhole = initial.length <= 1;
  const plans: PartsAnswer['plans'][number][] = [];
  const selectedNodes: string[] = [];
  const skippedNodes: PlanningAnswer['skippedNodes'][number][] = [];
  const goesPast = new Set<string>();
  let reason: string | undefined;
  let { snapshot } = request;
  let room = request.constraints?.maxNodes ?? Number.POSITIVE_INFINITY;
  let isSplit = !isWhole;
  do {
    const [part = [], ...others] = queue;
    queue = others;
    const left = Math.max(1, deadline - o.now());
    const budgetMs = Math.min(searchEnd, deadline) - o.now();
    const asked = o.planning(
      {
        ...request,
        snapshot: part.some((name) => scoped.has(name)) ? buyingScoped(snapshot) : snapshot,
        planName: o.planNameOf(plans.length + 1),
        timeBudgetMs: Math.min(left, Math.max(LEAST_SEARCH_MS, Math.floor(budgetMs / (queue.length + 1)))),
        ...(isSplit && { scope: { nodeNames: [...part] } }),
        ...(Number.isFinite(room) && { constraints: { ...request.constraints, maxNodes: room } }),
      },
      left,
      o.signal,
      o.begin,
    );
    const answer = plans.length === 0 ? await asked : await asked.catch(endAtTimeout);
    // What was found in time counts.
    if (!answer) break;
    reason ??= answer.reason;
    const bytes = answer.plan ? planBytes(answer.plan.spec, answer.plan.savings) : 0;
    if (bytes > maxBytes) {
      if (part.length < 2) {
        const limit = Math.round(maxBytes / 1000);
        throw new PlanningError(`the plan for node ${part[0] ?? ''} alone is larger than ${limit} kB`);
      }
      queue = recut([part, ...queue], bytes, { estimate, scoped, partBytes: Math.min(partBytes, maxBytes) });
      isSplit = true;
      continue;
    }
    selectedNodes.push(...answer.selectedNodes);
    skippedNodes.push(...answer.skippedNodes);
    if (!answer.plan) continue;
    plans.push(answer.plan);
    for (const each of answer.goesPast ?? []) goesPast.add(each);
    room -= answer.plan.spec.nodeClaimsToDelete?.length ?? 0;
    if (queue.length === 0) continue;
    const used = nodesFilledBy(answer.plan.spec, snapshot);
    const reasons = [
      `it takes pods of plan ${o.planNameOf(plans.length)}, which shares no node with the others`,
    ];
    skippedNodes.push(
      ...queue
        .flat()
        .filter((name) => used.has(name))
        .map((name) => ({ name, reasons })),
    );
    queue = queue.map((names) => names.filter((name) => !used.has(name))).filter((names) => names.length > 0);
    snapshot = afterPlan(snapshot, answer.plan.spec);
  } while (queue.length > 0 && room > 0);
  return {
    plans,
    selectedNodes,
    skippedNodes,
    ...(goesPast.size > 0 && { goesPast: [...goesPast] }),
    ...(plans.length === 0 && reason !== undefined && { reason }),
  };
};

/** What plans save together: in percent of what their removed nodes cost, and in USD per month. */
export const savingsOfAll = (
  savings: readonly Savings[],
): Pick<Savings, 'projectedSavingsPercent' | 'projectedSavingsCostMonthly'> => {
  const [only] = savings;
  if (only && savings.length === 1) return only;
  const total = (field: 'currentMonthlyCost' | 'projectedMonthlyCost'): number =>
    savings.reduce((sum, each) => sum + Number(each[field]), 0);
  const before = total('currentMonthlyCost');
  const after = total('projectedMonthlyCost');
  return {
    projectedSavingsPercent: savedPercent(before, after).toFixed(1),
    projectedSavingsCostMonthly: (before - after).toFixed(2),
  };
};
