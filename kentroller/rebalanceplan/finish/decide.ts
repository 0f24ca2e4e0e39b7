import { mostInPlaceOf, type PaidPrice } from '../../../api/kinds/mustgo.ts';
import type {
  NodeCost,
  PodToMigrate,
  RebalancePlan,
  RebalancePlanStatus,
} from '../../../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { destinationOf, foreignNodeOf } from '../../../api/plans.ts';
import { hasEnded, podName } from '../../../api/pods.ts';
import { savedPercent } from '../../../planner/plan/savings.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import { unlockSteps } from '../create/nodelock.ts';
import { freeSteps } from '../create/nodeuse.ts';
import { comingPrices, exceeds, isBoundByPrice, sumOf } from '../create/plancost.ts';
import { moveBlockers } from '../drain/destinations.ts';
import { reattachSteps } from '../drain/surge.ts';
import { uncordonSteps } from '../drain/undo.ts';
import { overdueUntaintSteps, releaseSteps } from '../reservation.ts';
import { currentClaim } from '../state/claimnames.ts';
import { baselineOf, countPlaced, movesOf } from '../state/moves.ts';
import type { ExecutionState } from '../state/state.ts';
import { isKept, reachedAt } from '../state/status.ts';
import { type Decision, type Step, steps } from '../state/step.ts';

const countPods = ({
  plan,
  pods,
}: Pick<ExecutionState, 'plan' | 'pods'>): { planned: number; placed: number } => {
  const moves = movesOf(plan.spec.podsToMigrate ?? [], true);
  const podsOn = (name: string): readonly Pod[] => pods.get(currentClaim(plan, name)) ?? [];
  return {
    planned: moves.reduce((sum, m) => sum + m.names.length, 0),
    placed: countPlaced(moves, baselineOf(plan), podsOn),
  };
};

/** What a node that the plan removed costs: its price now in its NodePool, else that of the savings check. */
const removedPrice = (
  { zone = '', capacityType = '', nodePool, ...blue }: NodeCost,
  offerings: Offerings,
): PaidPrice => {
  const priceAs = (type: string) => offerings.price(blue.instanceType, zone, type, nodePool);
  const price = priceAs(capacityType) ?? Number(blue.priceHourly);
  return capacityType === 'reserved' ? { price, unreserved: priceAs('on-demand') } : { price };
};

interface Costs {
  /** USD per hour of the nodes that are gone, and of those that came in their place. */
  readonly before: number;
  readonly after: number;
  /** What may be spent in the place of those that are gone: more than before where they must go. */
  readonly most: number;
}

/** The nodes that were to go, as of the savings check where it counted them. */
const plannedBlueNodes = ({ status }: RebalancePlan): readonly NodeCost[] | undefined => {
  const lists = [status?.savings?.blueNodes, status?.validatedSavings?.blueNodes];
  if (lists.every((list) => list === undefined)) return undefined;
  return [...new Map(lists.flatMap((list) => list ?? []).map((each) => [each.name, each])).values()];
};

/** What the nodes that really went and came cost now; undefined where a price is not known. */
const costsOf = (
  state: Pick<ExecutionState, 'plan' | 'nodeClaims' | 'nodes' | 'offerings'>,
): Costs | undefined => {
  const { plan, offerings } = state;
  const blue = plannedBlueNodes(plan);
  const removes = (plan.spec.nodeClaimsToDelete ?? []).length > 0;
  if (!offerings || (removes && !blue)) return undefined;
  const staying = new Set(
    (plan.spec.nodeClaimsToDelete ?? []).map(
      ({ nodeClaimName }) => state.nodes.get(nodeClaimName)?.metadata.name,
    ),
  );
  const gone = (blue ?? []).filter(({ name }) => !staying.has(name));
  const coming = comingPrices(state, offerings);
  if (coming.some(({ hourly }) => hourly === undefined)) return undefined;
  const paid = gone.map((node) => ({ ...removedPrice(node, offerings), percent: node.maxPricePercent }));
  return {
    before: paid.reduce((sum, { price }) => sum + price, 0),
    after: sumOf(coming),
    most: paid.reduce((sum, { percent, ...each }) => sum + mostInPlaceOf(each, percent), 0),
  };
};

const monthly = (hourly: number): string => (hourly * HOURS_PER_MONTH).toFixed(2);

/** What the plan reached in money; nothing where a price is not known. */
const achievedCost = (
  costs: Costs | undefined,
  clusterHourly: number | undefined,
): NonNullable<RebalancePlanStatus['achievedOutcome']> => ({
  ...(costs && {
    monthlyCost: monthly(costs.after),
    savingsCostMonthly: monthly(costs.before - costs.after),
    ...(costs.before > 0 && {
      savingsPercent: savedPercent(costs.before * HOURS_PER_MONTH, costs.after * HOURS_PER_MONTH).toFixed(1),
    }),
  }),
  ...(clusterHourly !== undefined && { clusterMonthlyCost: monthly(clusterHourly) }),
});

/** A warning when the cluster costs more after a plan that was made to save money. */
const costWarning = (plan: RebalancePlan, costs: Costs | undefined): Step | undefined => {
  if (!costs || !isBoundByPrice(plan) || !exceeds(costs.after, costs.most)) return undefined;
  return {
    kind: 'warn',
    reason: 'CostsMore',
    message: `The new nodes cost ${monthly(costs.after - costs.before)} USD a month more than the nodes that went`,
  };
};

/** True when no pod is on its way to the plan's nodes: the pods that it bought them for have all got a node. */
const isNobodyOnTheWay = ({
  plan,
  pods,
  pendingPods,
}: Pick<ExecutionState, 'plan' | 'pods' | 'pendingPods'>): boolean => {
  const moves = plan.spec.podsToMigrate ?? [];
  const isStarting = (pod: Pod): boolean => pod.status?.phase !== 'Running' && !hasEnded(pod);
  return (
    moves.every(({ srcNode }) => !srcNode) &&
    pendingPods.length === 0 &&
    moves.every((m) => !(pods.get(currentClaim(plan, destinationOf(m))) ?? []).some(isStarting))
  );
};

const isDestinationGone = (
  { plan, nodeClaims, unknownClaims, nodes }: ExecutionState,
  move: PodToMigrate,
): boolean => {
  const destination = destinationOf(move);
  const claim = currentClaim(plan, destination);
  return foreignNodeOf(destination) === undefined
    ? !nodeClaims.has(claim) && !unknownClaims.has(claim)
    : !nodes.has(destination);
};

/** Pods to be moved that are still where they were: on nodes that stay, and pods that may not be evicted. */
const stayingPods = (state: ExecutionState): readonly PodToMigrate[] => {
  const { plan } = state;
  const kept = (plan.spec.nodeClaimsToDelete ?? [])
    .map((c) => c.nodeClaimName)
    .filter((claim) => isKept(plan, claim));
  const there = new Set([
    ...kept.flatMap((claim) => state.pods.get(claim) ?? []).map(podName),
    ...[...moveBlockers(state).keys()].map(podName),
  ]);
  return (plan.spec.podsToMigrate ?? []).filter(
    ({ srcNode, namespace, name }) => srcNode && there.has(`${namespace}/${name}`),
  );
};

/**
 * The end of a plan: it waits for its pods, reattaches pods that it detached and could not evict, releases its nodes,
 * unlocks the others and records the outcome.
 */
export const decideFinish = (state: ExecutionState): Decision => {
  const { planned, placed } = countPods(state);
  const stayers = stayingPods(state);
  const staying = stayers.length;
  // Pods that were to go to a node that somebody deleted meanwhile run elsewhere, and nobody waits for them.
  const stranded = (state.plan.spec.podsToMigrate ?? []).filter(
    (move) => isDestinationGone(state, move) && !stayers.includes(move),
  ).length;
  const expected = planned - staying;
  const since = reachedAt(state.plan, 'NodesDeleted') ?? state.now;
  const isLate = state.now - since > state.limits.settleTimeoutMs;
  if (placed < expected - stranded && !isLate && !isNobodyOnTheWay(state))
    return steps(...overdueUntaintSteps(state));
  const next = [
    ...reattachSteps(state),
    ...uncordonSteps(state),
    ...releaseSteps(state),
    ...unlockSteps(state),
  ];
  if (next.length > 0) return steps(...next);
  // Last: the next plan finds nodes that look as before.
  const free = freeSteps(state);
  if (free.length > 0) return steps(...free);
  const missed = Math.max(0, expected - placed);
  const warnings = state.plan.status?.warnings?.length ?? 0;
  const elsewhere: Step = {
    kind: 'warn',
    reason: 'PodsElsewhere',
    message: `${missed} of ${planned} pods do not run where the plan put them`,
  };
  const costs = costsOf(state);
  const dearer = costWarning(state.plan, costs);
  const news = [...(missed > 0 ? [elsewhere] : []), ...(dearer ? [dearer] : [])];
  return steps(...news, {
    kind: 'finish',
    state: news.length > 0 || warnings > 0 ? 'DoneWithWarnings' : 'Done',
    outcome: { podsPlanned: planned, podsPlaced: placed, ...achievedCost(costs, state.clusterHourly) },
    reason: 'PlanDone',
    message: `The plan is done: ${placed} of ${planned} pods run where it put them${staying > 0 ? `, ${staying} stay where they were` : ''}`,
  });
};
