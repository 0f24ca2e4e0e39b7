import { parseGoDuration } from '../../api/duration.ts';
import { DRAINING, DRAINING_EVICTOR, EVICTION_STATUS } from '../../api/labels.ts';
import type { Node, NodeClaim, NodePool } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { emptinessBlocker } from '../../planner/cluster/candidate.ts';

/** What makes a node go: its claim's expireAfter has passed, the evictor has emptied it, or it runs nothing. */
export type Path = 'expired' | 'evicted' | 'empty';

/** When a claim expires, in milliseconds since 1970; undefined when never. */
export const expiryOf = ({ metadata, spec }: NodeClaim): number | undefined => {
  const after = parseGoDuration(spec.expireAfter ?? '');
  const created = Date.parse(metadata.creationTimestamp ?? '');
  return after === undefined || Number.isNaN(created) ? undefined : created + after;
};

const saysOf = ({ metadata }: Node, key: string): string | undefined =>
  valueAt(metadata.labels, key) ?? valueAt(metadata.annotations, key);

/** True for a node that the evictor has emptied and left to whoever removes nodes. */
export const isHandedOver = (node: Node): boolean =>
  node.spec?.unschedulable === true &&
  saysOf(node, EVICTION_STATUS) === 'done' &&
  saysOf(node, DRAINING) === DRAINING_EVICTOR;

/** What makes nodes go at all. */
export interface PathRules {
  /** Whether node consolidation is on. */
  readonly isEnabled: boolean;
  /** Whether the autoscaling policies delete empty nodes, by their own delay in place of Karpenter's. */
  readonly hasPolicy: boolean;
  readonly now: number;
}

/** Whether the policy of empty nodes is about a node: of a NodePool whose owner does not keep all of its nodes. */
const isOfPolicy = (pool: NodePool | undefined): boolean =>
  pool !== undefined && pool.spec.disruption?.consolidateAfter !== 'Never';

/** The path that a node may go by, before it is asked what keeps it; undefined for a node that stays as it is. */
export const pathOf = (
  node: Node,
  claim: NodeClaim,
  pool: NodePool | undefined,
  { isEnabled, hasPolicy, now }: PathRules,
): Path | undefined => {
  if (isEnabled) {
    const expiry = expiryOf(claim);
    if (expiry !== undefined && now >= expiry) return 'expired';
    if (isHandedOver(node)) return 'evicted';
  }
  if (hasPolicy) return isOfPolicy(pool) ? 'empty' : undefined;
  return isEnabled && pool !== undefined && emptinessBlocker(claim, pool) === undefined ? 'empty' : undefined;
};
