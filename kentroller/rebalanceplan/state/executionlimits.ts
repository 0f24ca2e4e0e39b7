import { parseDuration } from '../../../api/duration.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { ExecutionLimits } from './state.ts';

/** The limits of one plan: its own where its spec sets them, else the configured ones. */
export const limitsOf = (plan: RebalancePlan, defaults: ExecutionLimits): ExecutionLimits => ({
  ...defaults,
  drainTimeoutMs: parseDuration(plan.spec.aggressiveMode?.drainTimeout ?? '') ?? defaults.drainTimeoutMs,
  executionTimeoutMs:
    parseDuration(plan.spec.timeouts?.rebalanceExecutionTimeout ?? '') ?? defaults.executionTimeoutMs,
});
