/** Marks that only the executor of RebalancePlans puts on objects, so that it takes off only what it put on. */

/** On a running plan: keeps it until what it changed is put back. */
export const PLAN_FINALIZER = 'autoscaling.cast.ai/rebalance-plan';
/** On a Node: the plan that put karpenter.sh/do-not-disrupt there. */
export const LOCKED_BY = 'autoscaling.cast.ai/locked-by';
/** On a Node that we locked: karpenter.sh/do-not-disrupt was there before, and stays. */
export const LOCK_KEEPS = 'autoscaling.cast.ai/locked-before';
/** On a Node: the plan that cordoned it. */
export const CORDONED_BY = 'autoscaling.cast.ai/cordoned-by';
/** On a plan: how many pods of each owner its existing destinations held when it started. */
export const PIN_BASELINE = 'autoscaling.cast.ai/pin-baseline';
/** On a NodeClaim: the name under which the plan knows it; attempts of one planned claim share it. */
export const PLANNED_CLAIM = 'autoscaling.cast.ai/planned-claim';

export const DRAINING_REBALANCING = 'rebalancing';
export const DRAIN_FAILED = 'drain-failed';

/** Conditions of a running plan, in the order in which they become True. */
export const PHASES = ['NodesCreated', 'SavingsValidated', 'PinsReady', 'NodesDeleted'] as const;
export type Phase = (typeof PHASES)[number];
