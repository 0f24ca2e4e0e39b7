import { maxPricePercentOf, mostInPlaceOf } from '../../../api/kinds/mustgo.ts';
import type { CreationAttempt, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE, KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { NodeClaim } from '../../../api/objects.ts';
import { savedPercent } from '../../../planner/plan/savings.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import { nodeBlockers } from '../drain/blockers.ts';
import type { NodesState } from '../drain/destinations.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf, isKept } from '../state/status.ts';

/** What one node costs, in USD per hour; undefined where the cloud has no price. */
export interface NodePrice {
  readonly name: string;
  readonly hourly: number | undefined;
  /** What may be spent in the place of a node that must go, in USD per hour; its price where left out. */
  readonly most?: number;
}

/** The range of prices of a machine that Karpenter has not launched yet, in USD per hour. */
export interface PriceRange {
  readonly least: number;
  readonly most: number;
}

/** Rounding of sums of prices. */
const EPSILON = 1e-9;

/** Whether the plan adds nodes for pods that have none. */
export const isForPendingPods = ({ spec }: RebalancePlan): boolean =>
  (spec.podsToMigrate ?? []).some((pod) => !pod.srcNode);

/** Whether the plan is made to save money: it replaces nodes, and not for pods that wait for one. */
export const isBoundByPrice = (plan: RebalancePlan): boolean =>
  (plan.spec.nodeClaimsToAdd ?? []).length > 0 &&
  (plan.spec.nodeClaimsToDelete ?? []).length > 0 &&
  !isForPendingPods(plan);

/**
 * The nodes that the plan removes, at their prices now. Those that go without the plan save nothing, nor do those that may
 * not go now; one that must go counts while its pods are still to be moved.
 */
export const leavingPrices = (state: NodesState, offerings: Offerings): readonly NodePrice[] =>
  (state.plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName: name, mustGo }) => {
    const { plan, nodes } = state;
    const claim = state.nodeClaims.get(name);
    if (!claim || (claim.metadata.deletionTimestamp && !mustGo)) return [];
    if (isKept(plan, name) || nodeBlockers(state, name).length > 0) return [];
    const node = nodes.get(name);
    const labels = [node?.metadata.labels, claim.metadata.labels].find(
      (each) => offerings.priceOf(each) !== undefined,
    );
    const hourly = offerings.priceOf(labels);
    const paid = { price: hourly ?? 0, unreserved: offerings.unreservedPriceOf(labels) };
    const most = mustGo && { most: mostInPlaceOf(paid, maxPricePercentOf(mustGo)) };
    return [{ name: node?.metadata.name ?? name, hourly, ...most }];
  });

/** USD per hour; a node without a price counts as nothing, which makes the plan look worth less. */
export const sumOf = (prices: readonly NodePrice[]): number =>
  prices.reduce((sum, { hourly }) => sum + (hourly ?? 0), 0);

/** USD per hour that may be spent in the place of nodes: their prices, or their limits where they must go. */
const limitsOf = (prices: readonly NodePrice[]): number =>
  prices.reduce((sum, { hourly = 0, most = hourly }) => sum + most, 0);

/** The most that all added nodes may cost together, in USD per hour. `threshold` is the least saving in percent. */
export const priceCap = (leaving: readonly NodePrice[], threshold = 0): number =>
  limitsOf(leaving) * (1 - Math.max(0, threshold) / 100);

/** The least saving in percent that the plan asks for. */
export const thresholdOf = ({ spec }: RebalancePlan): number =>
  Number(spec.executionPolicy?.achievedSavingsPercentageThreshold ?? 0) || 0;

/** Whether a sum of prices is more than may be spent. */
export const exceeds = (hourly: number, cap: number): boolean => hourly > cap + EPSILON;

/** Whether one price is above another, however low both are: a reserved machine costs less than sums are off by. */
export const isDearer = (hourly: number, than: number): boolean => hourly > than * (1 + EPSILON);

const dollars = (hourly: number): string => String(Number(hourly.toFixed(4)));

/** What is known of prices that are missing, for messages. */
export const missingPrices = (prices: readonly NodePrice[]): string => {
  const names = prices.filter(({ hourly }) => hourly === undefined).map(({ name }) => name);
  return names.length > 0 ? ` The cloud has no price for ${names.slice(0, 3).join(', ')}.` : '';
};

/**
 * Why nodes that come are not worth the nodes that go; undefined when they are. A node that comes without a price is
 * never worth it, one that goes without a price saves nothing.
 */
export const costFault = (
  leaving: readonly NodePrice[],
  coming: readonly NodePrice[],
  threshold: number,
): string | undefined => {
  const before = sumOf(leaving);
  const after = sumOf(coming);
  const missing = missingPrices([...leaving, ...coming]);
  if (coming.every(({ hourly }) => hourly !== undefined) && !exceeds(after, priceCap(leaving, threshold))) {
    return undefined;
  }
  const advice = 'make a new plan when there is cheaper capacity';
  if (threshold > 0 && before > 0) {
    const saved = savedPercent(before, after).toFixed(1);
    return `The new nodes save ${saved} %, less than the ${threshold} % of executionPolicy.achievedSavingsPercentageThreshold: lower it, or ${advice}.${missing}`;
  }
  const most = leaving.some(({ most: limit }) => limit !== undefined)
    ? `, and ${dollars(limitsOf(leaving))} may be spent in their place`
    : '';
  return `The new nodes cost ${dollars(after)} USD an hour, those that go ${dollars(before)}${most}: ${advice}.${missing}`;
};

/** A machine of the plan that was ordered: its price once Karpenter has launched it, before that its range. */
export type OrderedPrice =
  | { readonly kind: 'launched'; readonly price: NodePrice }
  | { readonly kind: 'ordered'; readonly name: string; readonly range: PriceRange | undefined };

/** Whether Karpenter has launched the machine: it writes the labels of what it got then. */
const isLaunched = ({ metadata }: NodeClaim): boolean => metadata.labels?.[INSTANCE_TYPE] !== undefined;

const rangeOf = (
  attempt: CreationAttempt,
  claim: NodeClaim | undefined,
  offerings: Offerings,
): PriceRange | undefined => {
  const prices = claim
    ? offerings
        .allowedBy(claim.spec.requirements, claim.metadata.labels?.[KARPENTER_NODEPOOL])
        .map(({ offering }) => offering.price)
    : [];
  const cap = Number(attempt.priceCapHourly);
  if (prices.length > 0) return { least: Math.min(...prices), most: Math.max(...prices) };
  return Number.isFinite(cap) ? { least: 0, most: cap } : undefined;
};

/** What a planned node costs by its last attempt; undefined when it has none, or that one failed. */
export const orderedPrice = (
  { plan, nodeClaims }: Pick<ExecutionState, 'plan' | 'nodeClaims'>,
  planned: string,
  offerings: Offerings,
): OrderedPrice | undefined => {
  const last = attemptsOf(plan, planned).at(-1);
  const added = plan.spec.nodeClaimsToAdd?.find(({ metadata }) => metadata.name === planned);
  const poolName = added?.metadata.labels?.[KARPENTER_NODEPOOL];
  if (!last || last.status === 'Failed') return undefined;
  const claim = nodeClaims.get(last.nodeClaimName);
  if (last.status === 'InProgress' && (!claim || !isLaunched(claim))) {
    return { kind: 'ordered', name: planned, range: rangeOf(last, claim, offerings) };
  }
  const hourly =
    offerings.priceOf(claim?.metadata.labels) ??
    (last.status === 'Success'
      ? offerings.price(last.instanceType, last.zone ?? '', last.capacityType ?? '', poolName)
      : undefined);
  return { kind: 'launched', price: { name: planned, hourly } };
};

/** The nodes that the plan added, at their prices now. */
export const comingPrices = (
  state: Pick<ExecutionState, 'plan' | 'nodeClaims'>,
  offerings: Offerings,
): readonly NodePrice[] =>
  (state.plan.spec.nodeClaimsToAdd ?? []).map(({ metadata: { name } }) => {
    const ordered = orderedPrice(state, name, offerings);
    return ordered?.kind === 'launched' ? ordered.price : { name, hourly: undefined };
  });
