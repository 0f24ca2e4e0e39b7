import { CronError } from '../../api/cron/fields.ts';
import { parseCron } from '../../api/cron.ts';
import { parseGoDuration } from '../../api/duration.ts';
import { CORDONED_BY, DRAINING, KARPENTER_DISRUPTED_TAINT, KARPENTER_INITIALIZED } from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Node, NodeClaim, NodePool } from '../../api/objects.ts';
import { isTrue } from '../../api/records/condition.ts';

type Budget = NonNullable<NonNullable<NodePool['spec']['disruption']>['budgets']>[number];

/** Karpenter's default for a NodePool without budgets; also used in place of a budget of zero that is ignored. */
const DEFAULT_PERCENT = '10%';
/** Karpenter's disruption reasons: for nodes that are replaced by cheaper ones, and for those that run nothing. */
type DisruptionReason = 'Underutilized' | 'Empty';

/** The nodes of one NodePool, as its disruption budgets count them. */
export interface NodeCount {
  readonly total: number;
  /** Nodes being deleted, disrupted by Karpenter, cordoned or not ready; each uses up a part of the budget. */
  readonly disrupted: number;
}

export interface DisruptableNode {
  readonly node: Node;
  readonly claim: NodeClaim | undefined;
}

/** Whether a node is cordoned to be emptied; one that a plan has only closed to new pods is not disrupted yet. */
const isBeingEmptied = ({ metadata, spec }: Node): boolean =>
  spec?.unschedulable === true &&
  (metadata.annotations?.[CORDONED_BY] === undefined || metadata.labels?.[DRAINING] !== undefined);

/** Whether Karpenter disrupts a node: it waits for replacements first, and deletes the claim minutes after the taint. */
const isTainted = ({ spec }: Node): boolean =>
  (spec?.taints ?? []).some(({ key }) => key === KARPENTER_DISRUPTED_TAINT);

/** Whether the machine is drained and its end ordered of the cloud. */
const hasEnded = (claim: NodeClaim | undefined): boolean =>
  isTrue(claim?.status?.conditions, 'InstanceTerminating');

/**
 * Counts the nodes of one NodePool. A machine that Karpenter has not initialized, or has ended, counts for nothing, as in
 * its own BuildDisruptionBudgetMapping (pkg/controllers/disruption/helpers.go).
 */
export const countNodes = (nodes: Iterable<DisruptableNode>): NodeCount => {
  let total = 0;
  let disrupted = 0;
  for (const { node, claim } of nodes) {
    if (node.metadata.labels?.[KARPENTER_INITIALIZED] !== 'true' || hasEnded(claim)) continue;
    total += 1;
    const deletedAt = claim?.metadata.deletionTimestamp ?? node.metadata.deletionTimestamp;
    if (deletedAt !== undefined || isBeingEmptied(node) || isTainted(node) || !isReady(node)) disrupted += 1;
  }
  return { total, disrupted };
};

/**
 * Whether a budget is in force: always, or from each time of its schedule for its duration. Karpenter reads schedules in
 * UTC and takes one that has no time at all for active. Throws CronError.
 */
const isActive = ({ schedule, duration }: Budget, now: number, parse: typeof parseCron): boolean => {
  if (schedule === undefined && duration === undefined) return true;
  const window = parseGoDuration(duration ?? '');
  if (window === undefined) throw new CronError(`'${duration ?? ''}' is not a duration`);
  const next = parse(`TZ=UTC ${schedule ?? ''}`).next(now - window);
  return next === undefined || next <= now;
};

/** A budget's `nodes`, a number or a percentage, as a number of nodes; 0 when it can't be read. */
const scaled = (nodes: string, total: number): number => {
  const percent = /^(\d+)%$/.exec(nodes)?.[1];
  // Karpenter rounds percentages up (pkg/apis/v1/nodepool.go).
  if (percent !== undefined) return Math.ceil((total * Number(percent)) / 100);
  return /^\d+$/.test(nodes) ? Number(nodes) : 0;
};

/** The nodes that one budget allows to be disrupted at once; undefined when it can't be read. */
const allowedBy = (
  budget: Budget,
  total: number,
  now: number,
  parse: typeof parseCron,
): number | undefined => {
  try {
    return isActive(budget, now, parse) ? scaled(budget.nodes, total) : total;
  } catch (error) {
    if (error instanceof CronError) return undefined;
    throw error;
  }
};

/**
 * How many more nodes of a NodePool may be disrupted at `now` (milliseconds since 1970) for the reason; the
 * strictest budget counts. `ignoresZero` puts the default of 10 % in the place of a budget of zero.
 */
export const allowedDisruptions = (
  pool: NodePool,
  nodes: NodeCount,
  now: number,
  ignoresZero = false,
  parse = parseCron,
  reason: DisruptionReason = 'Underutilized',
): number => {
  let least = nodes.total;
  for (const budget of pool.spec.disruption?.budgets ?? [{ nodes: DEFAULT_PERCENT }]) {
    const isOurs = !budget.reasons || budget.reasons.includes(reason);
    const most = allowedBy(budget, nodes.total, now, parse);
    // One budget that can't be read lets no node go, for whatever reason it is, as in Karpenter.
    if (most === undefined) least = 0;
    else if (isOurs) least = Math.min(least, most);
  }
  const allowed = least === 0 && ignoresZero ? scaled(DEFAULT_PERCENT, nodes.total) : least;
  return Math.max(0, allowed - nodes.disrupted);
};

/** Allowed disruptions by NodePool name. The budgets of each NodePool are evaluated once, however many nodes it has. */
export const allowedDisruptionsByPool = (
  nodes: Iterable<DisruptableNode & { readonly pool: NodePool | undefined }>,
  now: number,
  parse = parseCron,
): ReadonlyMap<string, number> => {
  const pools = new Map<NodePool, DisruptableNode[]>();
  for (const node of nodes) {
    if (!node.pool) continue;
    const known = pools.get(node.pool);
    if (known) known.push(node);
    else pools.set(node.pool, [node]);
  }
  return new Map(
    [...pools].map(([pool, its]) => [
      pool.metadata.name,
      allowedDisruptions(pool, countNodes(its), now, false, parse),
    ]),
  );
};
