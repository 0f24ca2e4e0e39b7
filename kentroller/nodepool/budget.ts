import { CronError, parseCron } from '../../api/cron.ts';
import { parseDuration } from '../../api/duration.ts';
import type { NodePool } from '../../api/objects.ts';

type Budget = NonNullable<NonNullable<NodePool['spec']['disruption']>['budgets']>[number];

/** Karpenter's default where a NodePool names no budget, and ours where a budget of zero is to be ignored. */
const DEFAULT_PERCENT = '10%';
/** Replacing nodes by cheaper ones is what Karpenter calls Underutilized. */
const REASON = 'Underutilized';

/** Whether a budget with a schedule holds now: from each of its times for its duration. */
const isActive = (budget: Budget, now: number): boolean => {
  if (budget.reasons && !budget.reasons.includes(REASON)) return false;
  if (budget.schedule === undefined) return true;
  const duration = parseDuration(budget.duration ?? '');
  if (duration === undefined) return true;
  try {
    const began = parseCron(budget.schedule).next(now - duration - 1);
    return began !== undefined && began <= now;
  } catch (error) {
    // Karpenter reads a budget that it can't read as zero.
    if (error instanceof CronError) return true;
    throw error;
  }
};

const countOf = (nodes: string, total: number): number => {
  const percent = /^(\d+)%$/.exec(nodes)?.[1];
  // Karpenter rounds percentages up (pkg/apis/v1/nodepool.go).
  return percent === undefined ? Number(nodes) || 0 : Math.ceil((total * Number(percent)) / 100);
};

export interface PoolNodes {
  readonly total: number;
  /** Being deleted, or not ready. */
  readonly disrupted: number;
}

/** How many nodes of the pool may be taken out now, those that are out already deducted. The strictest budget counts. */
export const allowedDisruptions = (
  pool: NodePool,
  nodes: PoolNodes,
  now: number,
  ignoresZero: boolean,
): number => {
  const budgets = pool.spec.disruption?.budgets ?? [{ nodes: DEFAULT_PERCENT }];
  const active = budgets.filter((budget) => isActive(budget, now));
  const least = Math.min(...active.map((budget) => countOf(budget.nodes, nodes.total)), nodes.total);
  const allowed = least === 0 && ignoresZero ? countOf(DEFAULT_PERCENT, nodes.total) : least;
  return Math.max(0, allowed - nodes.disrupted);
};
