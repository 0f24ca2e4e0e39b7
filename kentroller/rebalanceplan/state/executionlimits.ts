import { parseDuration } from '../../../api/duration.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { ExecutionLimits } from './state.ts';

/** The limits of one plan: what it says itself, and what was configured for the rest. */
export const limitsOf = (plan: RebalancePlan, otherwise: ExecutionLimits): ExecutionLimits => ({
  ...otherwise,
  drainTimeoutMs: parseDuration(plan.spec.aggressiveMode?.drainTimeout ?? '') ?? otherwise.drainTimeoutMs,
  executionTimeoutMs:
    parseDuration(plan.spec.timeouts?.rebalanceExecutionTimeout ?? '') ?? otherwise.executionTimeoutMs,
});
