/** Marks that only the executor puts on objects, so that it removes nothing but its own. */

/** Finalizer of a running plan: keeps it until all that it changed is undone. */
export const PLAN_FINALIZER = 'autoscaling.cast.ai/rebalance-plan';
/** On a Node: the mark of the plan that put karpenter.sh/do-not-disrupt on it. */
export const LOCKED_BY = 'autoscaling.cast.ai/locked-by';
/** On a Node that we locked: the value of karpenter.sh/do-not-disrupt before, which is put back. */
export const LOCK_KEEPS = 'autoscaling.cast.ai/locked-before';
/** On a Node that we cordoned: JSON, what of the cordon and its label was there before. */
export const CORDONED_BEFORE = 'autoscaling.cast.ai/cordoned-before';
/** On a plan: JSON, pods of each owner on the existing destinations when it started. */
export const PIN_BASELINE = 'autoscaling.cast.ai/pin-baseline';
/** On a NodeClaim: its name in the plan, which all attempts of a planned claim share. */
export const PLANNED_CLAIM = 'autoscaling.cast.ai/planned-claim';

export const DRAINING_REBALANCING = 'rebalancing';
export const DRAIN_FAILED = 'drain-failed';

/** Conditions of a running plan, in the order in which they become True. */
export const PHASES = ['NodesCreated', 'SavingsValidated', 'PinsReady', 'NodesDeleted'] as const;
export type Phase = (typeof PHASES)[number];
