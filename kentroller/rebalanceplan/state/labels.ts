/** Marks that only the executor puts on objects, so that it removes nothing but its own. */

export {
  CORDONED_BEFORE,
  IN_USE_BY,
  LOCK_KEEPS,
  LOCKED_BY,
  PLAN_FINALIZER,
  PLANNED_CLAIM,
} from '../../../api/labels.ts';

export const DRAIN_FAILED = 'drain-failed';

/** Conditions of a running plan, in the order in which they become True. */
export const PHASES = ['NodesCreated', 'SavingsValidated', 'PinsReady', 'NodesDeleted'] as const;
export type Phase = (typeof PHASES)[number];
