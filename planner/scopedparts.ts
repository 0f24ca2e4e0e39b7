import type { NodeClaimToAdd, RebalancePlanSpec } from '../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH } from '../api/labels.ts';
import type { Requirement } from '../api/objects.ts';
import { requirementsOfEach } from '../api/plans.ts';
import { isInScope } from './cluster/candidate.ts';
import { billOf, clusterOf } from './cluster/clusterview.ts';
import { buyingScoped, isScopedNode } from './model/nodepool.ts';
import type { Snapshot } from './model/snapshot.ts';
import { afterPlan, nodesFilledBy } from './plan/afterplan.ts';
import { savingsOf } from './plan/savings.ts';
import { type RebalanceRequest, type RebalanceResult, rebalance } from './rebalance.ts';
import { remaining } from './search/timebudget.ts';
import type { SkippedNode } from './selection.ts';

/**
 * One answer for nodes of scoped mode and others, each searched by itself: what takes the place of the former carries their taint
 * and labels. kentroller makes two plans of it; see docs/designs/0062-scoped-purchases.md.
 */

type Plan = NonNullable<RebalanceResult['plan']>;
type Planner = (request: RebalanceRequest) => RebalanceResult;

/** Least share of the time budget of one of two searches. */
const LEAST_SHARE = 0.1;

const FILLED = 'it takes pods of the nodes outside of scoped mode, which are replaced beside those of it';

/** What a planned claim may become in any of its attempts, as requirements: it counts against limits as the largest of them. */
const anyAttempt = (planned: NodeClaimToAdd): readonly Requirement[] => {
  const attempts = requirementsOfEach(planned);
  const [first = []] = attempts;
  return first.flatMap(({ key }) => {
    const ofKey = attempts.flatMap((each) => each.filter((other) => other.key === key));
    const isListed = ofKey.length === attempts.length && ofKey.every(({ operator }) => operator === 'In');
    return isListed
      ? [{ key, operator: 'In' as const, values: [...new Set(ofKey.flatMap(({ values = [] }) => values))] }]
      : [];
  });
};

/** The cluster as the second search finds it. */
const besidePlan = (snapshot: Snapshot, spec: RebalancePlanSpec): Snapshot => {
  const after = afterPlan(snapshot, spec);
  const added = new Map((spec.nodeClaimsToAdd ?? []).map((planned) => [planned.metadata.name, planned]));
  return {
    ...after,
    nodeClaims: after.nodeClaims.map((claim) => {
      const planned = added.get(claim.metadata.name);
      return planned ? { ...claim, spec: { ...claim.spec, requirements: anyAttempt(planned) } } : claim;
    }),
  };
};

/** The bounds of plans together, in USD per hour; undefined where one has none, as nothing is proven of the sum then. */
const boundOf = (
  plans: readonly Plan[],
): { readonly least: number; readonly cost: number; readonly isGapKnown: boolean } | undefined => {
  let [least, cost, isGapKnown] = [0, 0, true];
  for (const { lowerBoundMonthlyCost, gapPercent } of plans.map(({ savings }) => savings)) {
    if (lowerBoundMonthlyCost === undefined) return undefined;
    const each = Number(lowerBoundMonthlyCost) / HOURS_PER_MONTH;
    least += each;
    cost += each * (1 + Number(gapPercent ?? 0) / 100);
    isGapKnown &&= gapPercent !== undefined;
  }
  return { least, cost, isGapKnown };
};

/** Two plans over one cluster as one. */
const merged = ({ snapshot, catalogue }: RebalanceRequest, first: Plan, second: Plan): Plan => {
  const plans = [first, second];
  const bound = boundOf(plans);
  const { gapPercent, ...savings } = savingsOf({
    blue: plans.flatMap(({ savings: { blueNodes = [] } }) => blueNodes),
    green: plans.flatMap(({ savings: { greenNodes = [] } }) => greenNodes),
    clusterBefore: billOf(catalogue, clusterOf(snapshot, catalogue).facts).total(),
    ...(bound && { bound }),
  });
  return {
    spec: {
      ...first.spec,
      nodeClaimsToAdd: plans.flatMap(({ spec }) => spec.nodeClaimsToAdd ?? []),
      nodeClaimsToDelete: plans.flatMap(({ spec }) => spec.nodeClaimsToDelete ?? []),
      podsToMigrate: plans.flatMap(({ spec }) => spec.podsToMigrate ?? []),
    },
    savings: { ...savings, ...(bound?.isGapKnown && gapPercent !== undefined && { gapPercent }) },
  };
};

/** The plan without a bound, which is one of its own nodes alone and not of those that the other search left as they are. */
const unbounded = ({ spec, savings }: Plan): Plan => {
  const { lowerBoundMonthlyCost: _, gapPercent: __, ...others } = savings;
  return { spec, savings: others };
};

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)];

/** Two answers as one. `filled` are nodes of the second that the first puts pods on. */
const together = (
  request: RebalanceRequest,
  first: RebalanceResult,
  second: RebalanceResult,
  filled: readonly SkippedNode[],
): RebalanceResult => {
  const answers = [first, second];
  const only = first.plan ?? second.plan;
  const plan = first.plan && second.plan ? merged(request, first.plan, second.plan) : only && unbounded(only);
  const goesPast = unique(answers.flatMap((each) => each.goesPast ?? []));
  const warnings = unique(answers.flatMap((each) => each.warnings ?? []));
  const reason = first.reason ?? second.reason;
  return {
    plan,
    selectedNodes: answers.flatMap(({ selectedNodes }) => selectedNodes),
    skippedNodes: [...answers.flatMap(({ skippedNodes }) => skippedNodes), ...filled],
    ...(!plan && reason !== undefined && { reason }),
    ...(goesPast.length > 0 && { goesPast }),
    ...(warnings.length > 0 && { warnings }),
  };
};

/** As `rebalance`, also for nodes of scoped mode. The claims of the second search are named `<planName>-scoped`. */
export const rebalanceWithScoped = (
  request: RebalanceRequest,
  planner: Planner = rebalance,
): RebalanceResult => {
  const { snapshot, planName, timeBudgetMs, constraints } = request;
  const inScope = snapshot.nodes.filter((node) => isInScope(node, request.scope));
  const [scoped, others] = [inScope.filter(isScopedNode), inScope.filter((node) => !isScopedNode(node))];
  const namesOf = (nodes: typeof inScope): string[] => nodes.map(({ metadata }) => metadata.name);
  if (scoped.length === 0) return planner(request);
  if (others.length === 0) return planner({ ...request, snapshot: buyingScoped(snapshot) });
  const started = request.clock?.() ?? 0;
  const share = Math.min(1 - LEAST_SHARE, Math.max(LEAST_SHARE, others.length / inScope.length));
  const first = planner({
    ...request,
    scope: { nodeNames: namesOf(others) },
    ...(timeBudgetMs !== undefined && { timeBudgetMs: timeBudgetMs * share }),
  });
  const spec = first.plan?.spec;
  const filled = spec ? nodesFilledBy(spec, snapshot) : new Set<string>();
  const names = namesOf(scoped);
  const skipped = names.flatMap((name) => (filled.has(name) ? [{ name, reasons: [FILLED] }] : []));
  const free = names.filter((name) => !filled.has(name));
  const room = (constraints?.maxNodes ?? Number.POSITIVE_INFINITY) - (spec?.nodeClaimsToDelete?.length ?? 0);
  if (free.length === 0 || room <= 0) return { ...first, skippedNodes: [...first.skippedNodes, ...skipped] };
  const second = planner({
    ...remaining(request, started),
    snapshot: buyingScoped(spec ? besidePlan(snapshot, spec) : snapshot),
    planName: `${planName}-scoped`,
    scope: { nodeNames: free },
    ...(Number.isFinite(room) && { constraints: { ...constraints, maxNodes: room } }),
  });
  return together(request, first, second, skipped);
};
