import type { PlanState, RebalancePlan } from './kinds/rebalanceplan.ts';
import { valueAt } from './records/valueat.ts';

const FINAL: ReadonlySet<PlanState> = new Set<PlanState>([
  'Done',
  'DoneWithWarnings',
  'Failed',
  'Skipped',
  'Canceled',
  'Expired',
]);

/** True for a plan in a state that it never leaves. */
export const isFinished = ({ status }: RebalancePlan): boolean =>
  status?.state !== undefined && FINAL.has(status.state);

/** True for a plan that is being carried out or rolled back. */
export const isRunning = ({ status }: RebalancePlan): boolean => status?.state === 'Running';

/** True for a plan that runs and is not being rolled back. */
export const isUnderWay = (plan: RebalancePlan): boolean =>
  isRunning(plan) && plan.status?.failurePhase === undefined;

/** The phase that a running plan is in, or failed in: until its savings are validated nothing has moved. */
export const executionPhaseOf = ({ status }: RebalancePlan): 'Creation' | 'Deletion' => {
  const isValidated = status?.conditions?.some((c) => c.type === 'SavingsValidated' && c.status === 'True');
  return status?.failurePhase ?? (isValidated ? 'Deletion' : 'Creation');
};

/**
 * True once a plan gives its slots to pods of its owners: from its pin step on, shortly before the first eviction.
 * Before that, new pods of these owners have nothing to do with the plan.
 */
export const givesSlots = (plan: RebalancePlan): boolean =>
  isUnderWay(plan) && executionPhaseOf(plan) === 'Deletion';

/** True while a node that the plan adds is ready; `planned` is its name in the plan. */
export const isAddedNodeReady = ({ status }: RebalancePlan, planned: string): boolean =>
  valueAt(status?.nodesCreation, planned)?.attempts.at(-1)?.status === 'Success';

/**
 * True once a plan gives its slots on one destination. Those on an added node begin when it is ready: the nodes that it
 * replaces are closed from then on, and a pod that leaves them needs the room.
 */
export const givesSlotsOn = (plan: RebalancePlan, destination: string): boolean =>
  givesSlots(plan) || (isUnderWay(plan) && isAddedNodeReady(plan, destination));
