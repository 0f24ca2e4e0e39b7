import { CronError, parseCron } from '../../api/cron.ts';
import { parseDuration } from '../../api/duration.ts';
import { isReady } from '../../api/nodes.ts';
import type { Node, NodeClaim, NodePool } from '../../api/objects.ts';

type Budget = NonNullable<NonNullable<NodePool['spec']['disruption']>['budgets']>[number];

/** Karpenter's default where a NodePool names no budget, and ours where a budget of zero is to be ignored. */
const DEFAULT_PERCENT = '10%';
/** Karpenter's disruption reason for nodes that are replaced by cheaper ones. */
const REASON = 'Underutilized';

/** The nodes of one NodePool, as its disruption budgets count them. */
export interface NodeCount {
  readonly total: number;
  /** Nodes that are being deleted, cordoned or not ready: each uses up a part of the budget. */
  readonly disrupted: number;
}

/** Counts the nodes of one NodePool. */
export const countNodes = (
  nodes: Iterable<{ readonly node: Node; readonly claim: NodeClaim | undefined }>,
): NodeCount => {
  let total = 0;
  let disrupted = 0;
  for (const { node, claim } of nodes) {
    total += 1;
    const isGoing = claim?.metadata.deletionTimestamp ?? node.metadata.deletionTimestamp;
    if (isGoing !== undefined || node.spec?.unschedulable === true || !isReady(node)) disrupted += 1;
  }
  return { total, disrupted };
};

/** Whether a budget with a schedule is in force: from each of its times (UTC) for its duration. Throws CronError. */
const isActive = (budget: Budget, now: number): boolean => {
  if (budget.schedule === undefined) return true;
  const duration = parseDuration(budget.duration ?? '');
  if (duration === undefined) throw new CronError(`'${budget.duration ?? ''}' is not a duration`);
  const began = parseCron(budget.schedule).next(now - duration - 1);
  return began !== undefined && began <= now;
};

const scaled = (nodes: string, total: number): number => {
  const percent = /^(\d+)%$/.exec(nodes)?.[1];
  // Karpenter rounds percentages up (pkg/apis/v1/nodepool.go).
  if (percent !== undefined) return Math.ceil((total * Number(percent)) / 100);
  return /^\d+$/.test(nodes) ? Number(nodes) : 0;
};

/** How many nodes one budget lets go at once; none where it can't be read, as Karpenter has it. */
const allowedBy = (budget: Budget, total: number, now: number): number => {
  try {
    return isActive(budget, now) ? scaled(budget.nodes, total) : total;
  } catch (error) {
    if (error instanceof CronError) return 0;
    throw error;
  }
};

/**
 * How many more nodes of a NodePool may be disrupted now (milliseconds since 1970) for being underused: the strictest
 * budget counts. `ignoresZero` puts the default of a tenth in the place of a budget of zero.
 */
export const allowedDisruptions = (
  pool: NodePool,
  nodes: NodeCount,
  now: number,
  ignoresZero = false,
): number => {
  const budgets = (pool.spec.disruption?.budgets ?? [{ nodes: DEFAULT_PERCENT }]).filter(
    ({ reasons }) => !reasons || reasons.includes(REASON),
  );
  const least = Math.min(...budgets.map((budget) => allowedBy(budget, nodes.total, now)), nodes.total);
  const allowed = least === 0 && ignoresZero ? scaled(DEFAULT_PERCENT, nodes.total) : least;
  return Math.max(0, allowed - nodes.disrupted);
};
