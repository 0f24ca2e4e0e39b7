import type { FollowLimits } from './followkarpenter/derivation.ts';
import type { Options } from './options.ts';
import type { ExecutionLimits } from './rebalanceplan/state/state.ts';

/** The limits of plans and of following Karpenter, from the options. */

export const executionLimits = (o: Options): ExecutionLimits => ({
  joinDeadlineMs: o.nodeJoinDeadline,
  drainTimeoutMs: o.nodeDrainTimeout,
  executionTimeoutMs: o.rebalanceExecutionTimeout,
  pinTimeoutMs: o.pinAcknowledgeTimeout,
  pinHoldMs: o.pinHoldTimeout,
  settleTimeoutMs: o.planSettleTimeout,
  planExpiryMs: o.planExpiry,
  maxSimultaneousDrains: o.maxSimultaneousDrains,
  maxUnlaunchedNodeClaims: o.maxUnlaunchedNodeClaims,
  haltPercent: o.unhealthyHaltPercent,
  haltNodes: o.unhealthyHaltNodes,
});

export const followLimits = (o: Options): FollowLimits => ({
  joinDeadlineMs: o.nodeJoinDeadline,
  holdMs: o.pinHoldTimeout,
  settleMs: o.followSettlePeriod,
});
