import { KARPENTER_DO_NOT_DISRUPT } from '../../../api/labels.ts';
import type { Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { messagesOf } from '../../../planner/cluster/blocker.ts';
import { podBlocker as plannersPodBlocker, protectionBlockers } from '../../../planner/cluster/candidate.ts';
import { LOCK_KEEPS, LOCKED_BY } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { detachmentOf } from '../state/surgerecord.ts';

/** What protects nodes and their pods now, by the planner's own rules. See docs/designs/0021-judged-again.md. */

export type RulesState = Pick<ExecutionState, 'plan' | 'rules'>;

const ownedBy = (replicaSet: { readonly name: string; readonly uid: string }, pod: Pod): Pod => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', ...replicaSet, controller: true };
  return { ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } };
};

/** Whether the plan migrates a pod live or not at all: it is never evicted, so nobody has to make it again. */
const isOnlyMigrated = ({ spec }: ExecutionState['plan'], { metadata: { namespace, name } }: Pod): boolean =>
  (spec.podsToMigrate ?? []).some(
    (move) => move.policy === 'Mandatory' && move.name === name && move.namespace === namespace,
  );

/**
 * The pod as its controller matters: with the one that it had before this plan detached it for a surge, or with any
 * where it is only migrated live.
 */
const asAttached = (plan: ExecutionState['plan'], pod: Pod): Pod => {
  const record = detachmentOf(plan, pod);
  if (record) return ownedBy(record.replicaSet, pod);
  return isOnlyMigrated(plan, pod) ? ownedBy({ name: 'none', uid: '' }, pod) : pod;
};

/** The node with the do-not-disrupt that it had before a lock: ours is no mark of its users. */
const withoutLock = (node: Node): Node => {
  const { [KARPENTER_DO_NOT_DISRUPT]: locked, ...rest } = node.metadata.annotations ?? {};
  if (rest[LOCKED_BY] === undefined) return node;
  const before = rest[LOCK_KEEPS];
  const annotations = { ...rest, ...(before !== undefined && { [KARPENTER_DO_NOT_DISRUPT]: before }) };
  return { ...node, metadata: { ...node.metadata, annotations } };
};

/** Why the plan may not evict a pod now. */
export const podBlocker = ({ plan, rules }: RulesState, pod: Pod): string | undefined =>
  plannersPodBlocker(asAttached(plan, pod), rules)?.message;

/** Why the plan may not empty this node now, with these pods; empty when it may. */
export const blockersOf = (
  { plan, rules }: RulesState,
  { node, claim, pods }: { readonly node: Node; readonly claim: NodeClaim; readonly pods: readonly Pod[] },
): readonly string[] =>
  messagesOf(
    protectionBlockers(
      { node: withoutLock(node), claim, pods: pods.map((pod) => asAttached(plan, pod)) },
      rules,
    ),
  );
