import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE } from '../../../api/labels.ts';
import type { Requirement } from '../../../api/objects.ts';
import type { TypeOffering } from '../../../planner/cluster/allowedofferings.ts';
import { RemainingLimits } from '../../../planner/cluster/nodepoollimits.ts';
import { poolLimits } from '../../../planner/model/nodepool.ts';
import { availabilityCheck } from '../../cloud/availability.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import type { NodesState } from '../drain/destinations.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf } from '../state/status.ts';
import { type Alternative, valuesOf } from './alternatives.ts';
import { noneLeft, openNow } from './openalternatives.ts';
import { lastOf, type OrderFailure, poolNameOf, reservationFull } from './orderfailures.ts';
import {
  exceeds,
  isBoundByPrice,
  leavingPrices,
  missingPrices,
  orderedPrice,
  priceCap,
  thresholdOf,
} from './plancost.ts';
import { needsCatalogue, poolOf } from './poolbounds.ts';
import { ReservedOrders, reservationsOf } from './reservedorders.ts';
import { type Restricted, restrict } from './restrict.ts';

export type OrderState = Pick<
  ExecutionState,
  | keyof NodesState
  | 'nodePools'
  | 'poolUsage'
  | 'clusterCores'
  | 'reservedUnderWay'
  | 'unavailable'
  | 'zoneIds'
  | 'shiftedZones'
  | 'offerings'
  | 'now'
>;

/** What to order for one planned node. */
export interface Order {
  readonly planned: NodeClaimToAdd;
  readonly alternative: Alternative;
  /** USD per hour that the dearest offering may cost; undefined for a plan that prices do not bind. */
  readonly cap?: number;
}

/** Orders to place now; `waits` while machines on their way may turn out cheap enough for those left over. */
export type OrderDecision =
  | { readonly kind: 'orders'; readonly orders: readonly Order[] }
  | { readonly kind: 'waits' }
  | { readonly kind: 'fails'; readonly failure: OrderFailure };

/** A planned node that needs an order, with the alternatives that are left and what the cheapest of them costs. */
interface Wanted {
  readonly planned: NodeClaimToAdd;
  readonly alternatives: readonly Alternative[];
  readonly least: number;
}

/** Whether the types that minValues demands may be beyond a limit: Karpenter takes the smallest that suits. */
const hasMinValues = ({ requirements }: Alternative): boolean =>
  requirements.some(({ minValues = 0 }) => minValues > 1);

/** Decides the orders of one pass: limits and prices are shared out among the planned nodes in their order. */
class Orders {
  readonly #state: OrderState;
  readonly #offerings: Offerings;
  readonly #limits: RemainingLimits;
  readonly #isBound: boolean;
  readonly #isAvailable: ReturnType<typeof availabilityCheck>;
  readonly #reserved: ReservedOrders;
  readonly #isSold = ({ type, offering }: TypeOffering): boolean =>
    this.#reserved.hasRoom(offering) && this.#isAvailable({ ...offering, instanceType: type.name });

  constructor(state: OrderState, offerings: Offerings) {
    this.#state = state;
    this.#offerings = offerings;
    this.#limits = new RemainingLimits(state.nodePools.values(), state.poolUsage, state.clusterCores);
    this.#reserved = new ReservedOrders(state.reservedUnderWay);
    this.#isBound = isBoundByPrice(state.plan);
    this.#isAvailable = availabilityCheck(state.unavailable, state.zoneIds, state.now);
  }

  decide(planned: readonly NodeClaimToAdd[]): OrderDecision {
    const wanted: Wanted[] = [];
    for (const each of planned) {
      const found = this.#wanted(each);
      if ('failureReason' in found) return { kind: 'fails', failure: found };
      wanted.push(found);
    }
    const room = this.#isBound ? this.#room() : { surely: Number.POSITIVE_INFINITY, perhaps: 0 };
    let left = room.surely;
    let needed = wanted.reduce((sum, { least }) => sum + least, 0);
    if (this.#isBound && exceeds(needed, left)) {
      if (!exceeds(needed, room.perhaps)) return { kind: 'waits' };
      return { kind: 'fails', failure: this.#tooDear(wanted, needed) };
    }
    const orders: Order[] = [];
    for (const each of wanted) {
      const spare = left - needed;
      // Spare money goes to all in proportion: a wider choice of types is less often refused.
      const share = each.least + (needed > 0 ? (spare * each.least) / needed : 0);
      const found = this.#choose(each, share) ?? this.#choose(each, each.least + spare);
      if (!found) return { kind: 'fails', failure: this.#blocked(each) };
      orders.push(found.order);
      this.#reserved.count(found.order.alternative.requirements);
      left -= found.dearest;
      needed -= each.least;
    }
    return { kind: 'orders', orders };
  }

  /** Whether an alternative is for a reservation that has no machine left. */
  #isFull({ requirements }: Alternative, poolName: string): boolean {
    return reservationsOf(requirements).length > 0 && this.#sold(requirements, poolName).length === 0;
  }

  /** USD per hour left for further orders: with machines on their way at their dearest, and at their cheapest. */
  #room(): { readonly surely: number; readonly perhaps: number } {
    const { plan } = this.#state;
    const cap = priceCap(leavingPrices(this.#state, this.#offerings), thresholdOf(plan));
    let [surely, perhaps] = [cap, cap];
    for (const { metadata } of plan.spec.nodeClaimsToAdd ?? []) {
      const ordered = orderedPrice(this.#state, metadata.name, this.#offerings);
      if (ordered?.kind === 'launched') {
        surely -= ordered.price.hourly ?? Number.POSITIVE_INFINITY;
        perhaps -= ordered.price.hourly ?? Number.POSITIVE_INFINITY;
      } else if (ordered) {
        surely -= ordered.range?.most ?? Number.POSITIVE_INFINITY;
        perhaps -= ordered.range?.least ?? 0;
      }
    }
    return { surely, perhaps };
  }

  /** The offerings of these requirements that are not known to be unavailable. */
  #sold(requirements: Alternative['requirements'], poolName: string): readonly TypeOffering[] {
    return this.#offerings.allowedBy(requirements, poolName).filter(this.#isSold);
  }

  /** Cuts an alternative to what may be ordered; unavailable offerings stay beside one that can be had. */
  #cut(
    alternative: Alternative,
    poolName: string,
    accepts: (each: TypeOffering) => boolean,
  ): Restricted | undefined {
    const wide = restrict(alternative, this.#offerings, poolName, accepts);
    if (!wide || this.#sold(wide.alternative.requirements, poolName).length > 0) return wide;
    return restrict(alternative, this.#offerings, poolName, (each) => accepts(each) && this.#isSold(each));
  }

  /** An alternative without types that the catalogue does not have: their size and price can't be judged. */
  #withoutUnknown(alternative: Alternative): Alternative | undefined {
    const named = valuesOf(alternative.requirements, INSTANCE_TYPE);
    const values = named.filter((name) => this.#offerings.type(name));
    if (values.length === named.length) return alternative;
    const requirements = alternative.requirements.map((each) =>
      each.key === INSTANCE_TYPE && each.operator === 'In' ? { ...each, values } : each,
    );
    const [instanceType] = values;
    return instanceType === undefined ? undefined : { ...alternative, requirements, instanceType };
  }

  #wanted(planned: NodeClaimToAdd): Wanted | OrderFailure {
    const attempts = attemptsOf(this.#state.plan, planned.metadata.name);
    const open = openNow(this.#state, planned, this.#isAvailable);
    const alternatives = open.flatMap((each) => this.#withoutUnknown(each) ?? []);
    if (alternatives.length === 0) return noneLeft(this.#state, planned, this.#isAvailable);
    if (!this.#isBound) return { planned, alternatives, least: 0 };
    const prices = alternatives.flatMap(({ requirements }) =>
      this.#sold(requirements, poolNameOf(planned)).map(({ offering }) => offering.price),
    );
    if (prices.length > 0) return { planned, alternatives, least: Math.min(...prices) };
    const [id] = alternatives.flatMap(({ requirements }) => reservationsOf(requirements));
    if (id !== undefined) return reservationFull(planned, id);
    return {
      failureReason: 'FailureReasonPriceUnknown',
      message: `The cloud has no price now for any machine that planned node ${planned.metadata.name} may be${lastOf(attempts)}: make a new plan.`,
    };
  }

  /** The first alternative that has offerings within the limits and at `most` USD per hour, cut to those. */
  #choose(wanted: Wanted, most: number): { order: Order; dearest: number } | undefined {
    const poolName = poolNameOf(wanted.planned);
    const { planned } = wanted;
    const isLimited = this.#limits.isLimited(poolName);
    for (const alternative of wanted.alternatives) {
      if (this.#isFull(alternative, poolName)) continue;
      if (!this.#isBound && !isLimited) return { order: { planned, alternative }, dearest: 0 };
      const fits = ({ type }: TypeOffering): boolean => this.#limits.allows(poolName, type);
      const isCheap = ({ offering }: TypeOffering): boolean =>
        !this.#isBound || !exceeds(offering.price, most);
      const allowed = this.#sold(alternative.requirements, poolName);
      const found =
        this.#cut(alternative, poolName, (each) => fits(each) && isCheap(each)) ??
        (hasMinValues(alternative) && allowed.some(fits)
          ? this.#cut(alternative, poolName, (each) => this.#limits.clusterAllows(each.type) && isCheap(each))
          : undefined);
      if (!found) continue;
      const counted = found.types.filter((type) => this.#limits.allows(poolName, type));
      this.#limits.countLargest(poolName, counted);
      const cap = this.#isBound ? { cap: found.dearest } : {};
      return { order: { planned, alternative: found.alternative, ...cap }, dearest: found.dearest };
    }
    return undefined;
  }

  /** Why none of a planned node's alternatives can be ordered, though there is money for the cheapest. */
  #blocked({ planned, alternatives }: Wanted): OrderFailure {
    const name = planned.metadata.name;
    const poolName = poolNameOf(planned);
    const types = new Set(
      alternatives.flatMap(({ requirements }) => this.#sold(requirements, poolName).map(({ type }) => type)),
    );
    if (types.size === 0) {
      const [id] = alternatives.flatMap(({ requirements }) => reservationsOf(requirements));
      if (id !== undefined) return reservationFull(planned, id);
      return {
        failureReason: 'FailureReasonNodePoolLimit',
        message: `NodePool ${poolName} or the cluster has limits, and the cloud does not know the size of any machine that planned node ${name} may be: make a new plan.`,
      };
    }
    const full = this.#limits.clusterBlocker(poolName, [...types]);
    if (full) {
      return {
        failureReason: 'FailureReasonClusterLimit',
        message: `Planned node ${name} can't be ordered: ${full}. Raise the limit, or plan for fewer nodes.`,
      };
    }
    const limit = this.#limits.blocker(poolName, [...types]);
    if (limit) {
      return {
        failureReason: 'FailureReasonNodePoolLimit',
        message: `${limit}, too little for planned node ${name} beside the nodes that the plan removes later. Raise it, or plan for fewer nodes.`,
      };
    }
    return {
      failureReason: 'FailureReasonInsufficientSavings',
      message: `Planned node ${name} can't be ordered from as many instance types or zones as NodePool ${poolName} asks for by minValues without costing more than the plan saves: lower minValues, or make a new plan.`,
    };
  }

  #tooDear(wanted: readonly Wanted[], needed: number): OrderFailure {
    const { plan } = this.#state;
    const leaving = leavingPrices(this.#state, this.#offerings);
    const cap = priceCap(leaving, thresholdOf(plan));
    const names = wanted.map(({ planned }) => planned.metadata.name).slice(0, 3);
    const costs = `cost ${needed.toFixed(4)} USD an hour, and all new nodes may cost ${cap.toFixed(4)} together`;
    const advice = 'make a new plan when there is cheaper capacity';
    const tried = wanted.find(({ planned }) => attemptsOf(plan, planned.metadata.name).length > 0);
    if (tried) {
      const { planned } = tried;
      const attempts = attemptsOf(plan, planned.metadata.name);
      return {
        failureReason: 'FailureReasonNodeCreateFailed',
        message: `Planned node ${planned.metadata.name} could not be created in ${attempts.length} attempts${lastOf(attempts)}, and the machines left ${costs}. Allow more instance types or zones in NodePool ${poolNameOf(planned)}, or ${advice}.${missingPrices(leaving)}`,
      };
    }
    return {
      failureReason: 'FailureReasonInsufficientSavings',
      message: `The cheapest machines for ${names.join(', ')} ${costs}: ${advice}.${missingPrices(leaving)}`,
    };
  }
}

/** What to order now for planned nodes that have no machine on its way. */
export const decideOrders = (
  state: OrderState,
  planned: readonly NodeClaimToAdd[],
  offerings: Offerings,
): OrderDecision => new Orders(state, offerings).decide(planned);

const hasLimits = (state: OrderState, planned: NodeClaimToAdd): boolean => {
  const pool = poolOf(state, planned);
  return state.clusterCores !== undefined || (pool !== undefined && Object.keys(poolLimits(pool)).length > 0);
};

/**
 * What to order while the cloud's prices, sizes and labels are not known: nothing, but for a plan that none of them
 * matters to.
 */
export const decideOrdersBlindly = (state: OrderState, planned: readonly NodeClaimToAdd[]): OrderDecision => {
  const isLimited = planned.some((each) => hasLimits(state, each));
  const isReserved = planned.some(
    ({ spec }) => reservationsOf(spec.requirements as readonly Requirement[]).length > 0,
  );
  if (isBoundByPrice(state.plan) || isLimited || isReserved || needsCatalogue(state, planned))
    return { kind: 'waits' };
  const orders: Order[] = [];
  for (const each of planned) {
    const isAvailable = availabilityCheck(state.unavailable, state.zoneIds, state.now);
    const [alternative] = openNow(state, each, isAvailable);
    if (!alternative) return { kind: 'fails', failure: noneLeft(state, each, isAvailable) };
    orders.push({ planned: each, alternative });
  }
  return { kind: 'orders', orders };
};
