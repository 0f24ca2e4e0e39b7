import { isMarkedBy, ownerMark } from '../../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import {
  CORDONED_BY,
  DRAINING,
  DRAINING_EVICTOR,
  DRAINING_REBALANCING,
  EVICTED_TAINT,
  EVICTION_DONE,
  EVICTION_STATUS,
  KARPENTER_DO_NOT_DISRUPT,
  REBALANCING_STATUS,
} from '../../../api/labels.ts';
import { taintsWithout } from '../../../api/nodes.ts';
import type { KubeObject, Node, Taint } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import { NODES } from '../../../api/resources.ts';
import {
  beforeCordon,
  tellingUsersGuard,
  usersGuard,
  withoutCordon,
  withoutLock,
} from '../../../kube/undo/nodemarks.ts';
import { updateIfThere } from '../../../kube/update.ts';
import { FIELD_MANAGER } from '../create/unavailable.ts';
import { CORDONED_BEFORE, DRAIN_FAILED, LOCK_KEEPS, LOCKED_BY } from '../state/labels.ts';
import type { StepOf, Writer } from './writer.ts';

/**
 * Writes to nodes: lock and cordon. Each is decided on the node as it is at the write, remembers on it what
 * was there before, and is taken back only by the plan that it names. See docs/designs/0018-plans-own-what-they-touch.md.
 */

export interface NodePatch {
  readonly metadata: object;
  readonly spec?: object;
}

export type Owner = Pick<RebalancePlan, 'metadata'>;
export type NodeWriter = Pick<Writer, 'client' | 'signal'>;

export const updateNode = async (
  w: NodeWriter,
  name: string,
  patchFor: (node: Node) => NodePatch | undefined,
): Promise<void> => {
  const { client, signal } = w;
  const o = { client, resource: NODES, ref: { name }, fieldManager: FIELD_MANAGER, signal };
  await updateIfThere(o, patchFor);
};

const annotationOf = ({ metadata }: KubeObject, annotation: string): string | undefined =>
  valueAt(metadata.annotations, annotation);

/** A lock without its plan is taken over, with what it remembers. */
export const lockNode = (w: Writer, plan: RebalancePlan, step: StepOf<'lock'>): Promise<void> =>
  updateNode(w, step.node, (node) => {
    if (isMarkedBy(plan, node, LOCKED_BY)) return undefined;
    const isFree = annotationOf(node, LOCKED_BY) === undefined;
    const before = isFree ? annotationOf(node, KARPENTER_DO_NOT_DISRUPT) : undefined;
    const annotations = {
      [KARPENTER_DO_NOT_DISRUPT]: 'true',
      [LOCKED_BY]: ownerMark(plan),
      ...(before !== undefined && { [LOCK_KEEPS]: before }),
      ...usersGuard(node),
    };
    return { metadata: { annotations } };
  });

export const unlockNode = (w: NodeWriter, plan: Owner, step: StepOf<'unlock'>): Promise<void> =>
  updateNode(w, step.node, (node) =>
    isMarkedBy(plan, node, LOCKED_BY) ? { metadata: { annotations: withoutLock(node) } } : undefined,
  );

/** The annotations of a cordon, which remember what was there before the first one. */
export const cordonMarks = (plan: RebalancePlan, node: Node): Record<string, string> => ({
  [CORDONED_BY]: ownerMark(plan),
  [CORDONED_BEFORE]: JSON.stringify(beforeCordon(node)),
});

/** Keeps new pods away; a node that its drain has cordoned meanwhile is left alone. */
export const closeNode = (w: Writer, plan: RebalancePlan, step: StepOf<'close'>): Promise<void> =>
  updateNode(w, step.node, (node) =>
    node.spec?.unschedulable === true
      ? undefined
      : { metadata: { annotations: cordonMarks(plan, node) }, spec: { unschedulable: true } },
  );

/** The soft taint of a node that the evictor drains; it outlives the drain, and the evictor takes it off. */
const EVICTED: Taint = { key: EVICTED_TAINT, effect: 'PreferNoSchedule' };

const withEvictedTaint = (node: Node): readonly Taint[] => [...taintsWithout(node, EVICTED_TAINT), EVICTED];

/** A user's do-not-disrupt beside the lock's is told instead, and the next pass decides with it. */
export const cordonNode = (w: Writer, plan: RebalancePlan, step: StepOf<'cordon'>): Promise<void> =>
  updateNode(w, step.node, (node) => {
    const told = tellingUsersGuard(node);
    if (told) return told;
    const reason = plan.spec.drainReason ?? DRAINING_REBALANCING;
    return {
      metadata: { labels: { [DRAINING]: reason }, annotations: cordonMarks(plan, node) },
      spec: { unschedulable: true, ...(reason === DRAINING_EVICTOR && { taints: withEvictedTaint(node) }) },
    };
  });

/** A node that the plan no longer has cordoned is not empty for good. */
export const markEvicted = (w: Writer, plan: RebalancePlan, step: StepOf<'mark-evicted'>): Promise<void> =>
  updateNode(w, step.node, (node) =>
    isMarkedBy(plan, node, CORDONED_BY) && node.spec?.unschedulable === true
      ? { metadata: { labels: { [EVICTION_STATUS]: EVICTION_DONE } } }
      : undefined,
  );

export const uncordonNode = (w: NodeWriter, plan: Owner, step: StepOf<'uncordon'>): Promise<void> =>
  updateNode(w, step.node, (node) => {
    if (!isMarkedBy(plan, node, CORDONED_BY)) return undefined;
    const { labels, annotations, isOpened } = withoutCordon(node);
    return {
      metadata: {
        labels: { ...labels, ...(step.drainFailed && { [REBALANCING_STATUS]: DRAIN_FAILED }) },
        annotations,
      },
      ...(isOpened && { spec: { unschedulable: null } }),
    };
  });
