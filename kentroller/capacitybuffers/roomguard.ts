import {
  KARPENTER_DISRUPTED_TAINT,
  KARPENTER_DO_NOT_DISRUPT,
  KEEPS_ROOM,
  LOCKED_BY,
  OWNED_BY,
} from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { isTrue } from '../../api/records/condition.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { tellingUsersGuard, withoutRoomGuard } from '../../kube/undo/nodemarks.ts';
import { updateIfThere } from '../../kube/update.ts';

/**
 * do-not-disrupt on nodes whose room CapacityBuffers need. To Karpenter, which does not know of them, such nodes are empty or not
 * used enough, and it would take away what was bought. Plans of ours look past it, since they keep the room.
 */

const FIELD_MANAGER = 'castai-kentroller-room';

/** A 'look' finds out whether a user has put do-not-disrupt on the node, too: then the guard is given up. */
export type GuardStep = { readonly kind: 'guard' | 'free' | 'look'; readonly node: string };

const annotationOf = ({ metadata }: Node, name: string): string | undefined =>
  valueAt(metadata.annotations, name);

export const isGuarded = (node: Node): boolean => annotationOf(node, KEEPS_ROOM) !== undefined;

/** Whether a plan has a node to itself, and its do-not-disrupt with it. */
const isOfPlan = (node: Node): boolean =>
  annotationOf(node, LOCKED_BY) !== undefined || annotationOf(node, OWNED_BY) !== undefined;

const isGoing = (node: Node): boolean =>
  node.metadata.deletionTimestamp !== undefined ||
  (node.spec?.taints ?? []).some(({ key }) => key === KARPENTER_DISRUPTED_TAINT);

const isDrifted = ({ status }: NodeClaim): boolean => isTrue(status?.conditions, 'Drifted');

const mayBeGuarded = (node: Node, claim: NodeClaim | undefined): boolean =>
  !isOfPlan(node) && !isGoing(node) && claim !== undefined && !isDrifted(claim);

/**
 * What is to be done to nodes so that those with room are guarded, and no others. A drifted one is let go: Karpenter replaces it, and
 * the room is bought again. A do-not-disrupt that somebody has taken off comes back while the room is needed, since the mark beside it would
 * hide one of a user later; one of another value is a user's.
 */
export const guardSteps = (
  nodes: readonly Node[],
  claimOf: (node: Node) => NodeClaim | undefined,
  o: {
    readonly holders: ReadonlySet<string>;
    /** Whether a node was looked at as it is, so that nobody else has put do-not-disrupt there. */
    readonly isLookedAt: (node: Node) => boolean;
  },
): readonly GuardStep[] =>
  nodes.flatMap((node): GuardStep[] => {
    const { name } = node.metadata;
    const isWanted = o.holders.has(name) && mayBeGuarded(node, claimOf(node));
    const present = annotationOf(node, KARPENTER_DO_NOT_DISRUPT);
    // A node with a do-not-disrupt of its users needs none of ours.
    if (isWanted && present === undefined) return [{ kind: 'guard', node: name }];
    if (!isGuarded(node) || isOfPlan(node)) return [];
    if (!isWanted || present !== 'true') return [{ kind: 'free', node: name }];
    return o.isLookedAt(node) ? [] : [{ kind: 'look', node: name }];
  });

/** Carries out a step on the node as it is at the write. */
export const applyGuard = async (
  { client, signal }: { readonly client: Pick<KubeClient, 'get' | 'patch'>; readonly signal: AbortSignal },
  step: GuardStep,
): Promise<void> => {
  const o = { client, resource: NODES, ref: { name: step.node }, fieldManager: FIELD_MANAGER, signal };
  await updateIfThere(o, (node) => {
    if (isOfPlan(node)) return undefined;
    if (step.kind === 'look') return tellingUsersGuard(node);
    if (step.kind === 'free')
      return isGuarded(node) ? { metadata: { annotations: withoutRoomGuard(node) } } : undefined;
    if (isGoing(node) || annotationOf(node, KARPENTER_DO_NOT_DISRUPT) !== undefined) return undefined;
    return { metadata: { annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true', [KEEPS_ROOM]: 'true' } } };
  });
};
