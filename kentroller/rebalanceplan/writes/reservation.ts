import { foreignMark, isMarkedBy } from '../../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import {
  CORDONED_BY,
  DAEMONSETS_UNTIL,
  OPEN_TO_DAEMONSETS,
  OWNED_BY,
  PREPARING_TAINT,
  UNSCHEDULABLE,
} from '../../../api/labels.ts';
import { taintsWithout } from '../../../api/nodes.ts';
import type { KubeObject, Node } from '../../../api/objects.ts';
import { hasReservationTaint, reservationOn } from '../../../api/reservation.ts';
import { NODE_CLAIMS } from '../../../api/resources.ts';
import { withoutCordon, withoutGuard } from '../../../kube/undo/nodemarks.ts';
import { updateIfThere } from '../../../kube/update.ts';
import { FIELD_MANAGER } from '../create/unavailable.ts';
import { cordonMarks, type NodePatch, type NodeWriter, type Owner, updateNode } from './nodes.ts';
import type { StepOf, Writer } from './writer.ts';

/**
 * Writes of the reservation. Taint and cordon change places in one write, so that no crash leaves a node open, and
 * Kubernetes' own taint of a cordon goes with it, so that Karpenter never sees the node without one.
 */

/** A node without the cordon; a user's stays. */
const uncordoned = (node: Node) => {
  const { annotations, isOpened } = withoutCordon(node);
  return {
    annotations,
    spec: isOpened
      ? { taints: taintsWithout(node, UNSCHEDULABLE), unschedulable: null }
      : { taints: node.spec?.taints ?? [] },
  };
};

const byCordon = (plan: RebalancePlan, node: Node, until: string | undefined): NodePatch => ({
  metadata: {
    annotations: {
      ...cordonMarks(plan, node),
      // The value of the taint that comes back.
      [OPEN_TO_DAEMONSETS]: reservationOn(node)?.value ?? '',
      ...(until !== undefined && { [DAEMONSETS_UNTIL]: until }),
    },
  },
  spec: {
    unschedulable: true,
    taints: [
      ...taintsWithout(node, PREPARING_TAINT).filter(({ key }) => key !== UNSCHEDULABLE),
      { key: UNSCHEDULABLE, effect: 'NoSchedule' },
    ],
  },
});

const byTaint = (node: Node, until: string | undefined): NodePatch => {
  const { annotations, spec } = uncordoned(node);
  const metadata = { annotations: { ...annotations, [DAEMONSETS_UNTIL]: until ?? null } };
  // A user has uncordoned it: it stays open.
  if (!node.spec?.unschedulable) return { metadata };
  const others = spec.taints.filter(({ key }) => key !== PREPARING_TAINT);
  const own = reservationOn(node);
  return { metadata, spec: { ...spec, taints: [...others, ...(own ? [own] : [])] } };
};

/** Puts taint and cordon of a reserved node in each other's place; one that was opened meanwhile stays open. */
export const reserveNode = (w: Writer, plan: RebalancePlan, step: StepOf<'reserve'>): Promise<void> =>
  updateNode(w, step.node, (node) => {
    const isOurs = isMarkedBy(plan, node, CORDONED_BY);
    if (foreignMark(plan, node, CORDONED_BY) !== undefined) return undefined;
    if (step.by === 'taint') return isOurs ? byTaint(node, step.until) : undefined;
    return isOurs || hasReservationTaint(node) ? byCordon(plan, node, step.until) : undefined;
  });

/** The NodeClaim first: Karpenter copies its annotations to the node. */
export const releaseNode = async (w: NodeWriter, plan: Owner, step: StepOf<'release'>): Promise<void> => {
  await releaseClaim(w, plan, step);
  await openNode(w, plan, step);
};

/** The annotations of a Node or NodeClaim that the release takes off. */
const withoutOwner = (plan: Owner, object: KubeObject, { keeps, isDisowned }: StepOf<'release'>) =>
  isMarkedBy(plan, object, OWNED_BY) && {
    ...(!keeps && withoutGuard(object)),
    ...((!keeps || isDisowned) && { [OWNED_BY]: null }),
  };

const releaseClaim = async (w: NodeWriter, plan: Owner, step: StepOf<'release'>): Promise<void> => {
  const { client, signal } = w;
  if (!step.keeps || step.isDisowned) {
    const ref = { name: step.claim };
    const o = { client, resource: NODE_CLAIMS, ref, fieldManager: FIELD_MANAGER, signal };
    await updateIfThere(o, (claim) => {
      const annotations = withoutOwner(plan, claim, step);
      return annotations ? { metadata: { annotations } } : undefined;
    });
  }
};

/** The Node alone. */
export const openNode = (w: NodeWriter, plan: Owner, step: StepOf<'release'>): Promise<void> =>
  updateNode(w, step.node, (node) => {
    const cordon = isMarkedBy(plan, node, CORDONED_BY) ? uncordoned(node) : undefined;
    const { taints, ...spec } = cordon?.spec ?? { taints: node.spec?.taints ?? [] };
    const left = taints.filter(({ key }) => key !== PREPARING_TAINT);
    const annotations = {
      ...withoutOwner(plan, node, step),
      ...cordon?.annotations,
      [DAEMONSETS_UNTIL]: null,
    };
    return { metadata: { annotations }, spec: { ...spec, taints: left.length > 0 ? left : null } };
  });
