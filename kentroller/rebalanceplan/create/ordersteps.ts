import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import type { NodePool } from '../../../api/objects.ts';
import { formatPrice } from '../../../api/text/price.ts';
import { UNKNOWN_LIMITS } from '../clusterlimit.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import { attemptName, buildNodeClaim } from './nodeclaim.ts';
import { decideOrders, decideOrdersBlindly, type Order, type OrderDecision } from './orders.ts';
import { costFault, isBoundByPrice, leavingPrices, orderedPrice, thresholdOf } from './plancost.ts';
import { boundsFault, poolOf } from './poolbounds.ts';

/** Ends the plan in Creation: what it created is deleted again. */
export const failCreation = (failureReason: string, message: string): Step => ({
  kind: 'fail',
  phase: 'Creation',
  failureReason,
  reason: failureReason,
  message,
});

/** Fails a plan that asks for more than its NodePools give now, before it orders what does. */
export const beyondPoolFailure = (
  state: ExecutionState,
  planned = state.plan.spec.nodeClaimsToAdd ?? [],
): Step | undefined => {
  const fault = boundsFault(state, planned);
  return fault === undefined ? undefined : failCreation('FailureReasonBeyondNodePool', fault);
};

/** Orders an alternative of a planned node. */
const createClaimStep = (
  state: ExecutionState,
  pool: NodePool,
  { planned, alternative, cap }: Order,
): Step => {
  const name = planned.metadata.name;
  const attempts = attemptsOf(state.plan, name);
  const claimName = attemptName(name, attempts.length + 1);
  const { instanceType, capacityType, zone } = alternative;
  return {
    kind: 'create-claim',
    attempt: {
      planned: name,
      claimName,
      instanceType,
      capacityType,
      zone,
      alternative: alternative.index,
      ...(cap !== undefined && { priceCapHourly: formatPrice(cap) }),
    },
    claim: buildNodeClaim({ plan: state.plan, planned, alternative, name: claimName, pool }),
    reason: 'NodeClaimCreated',
    message: `Ordering ${instanceType} (${capacityType}${zone ? `, ${zone}` : ''}) as NodeClaim ${claimName}`,
  };
};

/** Says in the status of a plan, once, that it can't go on before prices are known. */
export const awaitPrices = (phase: 'NodesCreated' | 'SavingsValidated'): Step => ({
  kind: 'wait-in-phase',
  phase,
  reason: 'WaitingForPrices',
  message:
    'The plan waits for instance types and prices, which the cloud has not told yet: look at the log of kentroller.',
});

/** The sum of what is on its way and of what is left to order may come out cheap enough. */
const awaitMachines: Step = {
  kind: 'wait-in-phase',
  phase: 'NodesCreated',
  reason: 'WaitingForMachines',
  message: 'What may be spent on the next machine depends on what those on their way cost.',
};

/** A new leader that has not read the policies knows no most cores. */
const awaitPolicies: Step = {
  kind: 'wait-in-phase',
  phase: 'NodesCreated',
  reason: UNKNOWN_LIMITS,
  message:
    'The plan orders no machine: the AutoscalerPolicies, and with them maxCores, have not been read yet.',
};

/** Karpenter provisions and disrupts nothing while a NodeClaim waits for its machine. */
const awaitLaunches = ({ unlaunched, limits }: ExecutionState): Step => ({
  kind: 'wait-in-phase',
  phase: 'NodesCreated',
  reason: 'WaitingForLaunches',
  message: `${unlaunched} NodeClaims of plans wait for Karpenter to launch them, and no more than ${limits.maxUnlaunchedNodeClaims} may (MAX_UNLAUNCHED_NODE_CLAIMS).`,
});

/** Orders the planned nodes that have no machine on its way; fails the plan where one can't be had, or not cheaply enough. */
export const orderSteps = (state: ExecutionState, planned: readonly NodeClaimToAdd[]): readonly Step[] => {
  const wanted = planned.filter(({ metadata }) => {
    const last = attemptsOf(state.plan, metadata.name).at(-1);
    return !last || last.status === 'Failed';
  });
  if (wanted.length === 0) return [];
  const beyond = beyondPoolFailure(state, wanted);
  if (beyond) return [beyond];
  if (!state.knowsLimits) return [awaitPolicies];
  const decision: OrderDecision = state.offerings
    ? decideOrders(state, wanted, state.offerings)
    : decideOrdersBlindly(state, wanted);
  switch (decision.kind) {
    case 'waits':
      return [state.offerings ? awaitMachines : awaitPrices('NodesCreated')];
    case 'fails':
      return [failCreation(decision.failure.failureReason, decision.failure.message)];
    default: {
      const room = Math.max(0, state.limits.maxUnlaunchedNodeClaims - state.unlaunched);
      if (room === 0) return [awaitLaunches(state)];
      // Orders that are left over are decided again, with what these come to cost.
      return decision.orders.slice(0, room).flatMap((order) => {
        const pool = poolOf(state, order.planned);
        return pool ? [createClaimStep(state, pool, order)] : [];
      });
    }
  }
};

/** Fails a plan as soon as machines that Karpenter launched cost more, with the cheapest still to come, than it allows. */
export const priceFailure = (state: ExecutionState, planned: readonly NodeClaimToAdd[]): Step | undefined => {
  const { offerings, plan } = state;
  if (!offerings || !isBoundByPrice(plan)) return undefined;
  const prices = planned.flatMap(({ metadata: { name } }) => {
    const ordered = orderedPrice(state, name, offerings);
    if (ordered?.kind === 'launched') return [ordered.price];
    return ordered ? [{ name, hourly: ordered.range?.least ?? 0 }] : [];
  });
  const fault = costFault(leavingPrices(state, offerings), prices, thresholdOf(plan));
  return fault === undefined ? undefined : failCreation('FailureReasonInsufficientSavings', fault);
};
