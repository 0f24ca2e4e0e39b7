import type { RebalancePlanSpec, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../api/objects.ts';
import { controllerOf, isReschedulable } from '../../api/pods.ts';

/** Sizes of plans in bytes of JSON. The API server takes 1.5 MB; a plan stays below half of that with its full status. */
export const MAX_PLAN_BYTES = 700_000;
/** The size that parts of a large decision are cut to, by an estimate made before the search. */
export const PART_BYTES = 450_000;

/** Status of an added node: eight attempts with a reason each. */
const ADDED_STATUS_BYTES = 2_500;
/** Status of a removed node: the events of its drain. */
const REMOVED_STATUS_BYTES = 1_500;
/** A removed node with its part of the added nodes, which are fewer. */
const NODE_BYTES = 6_000;
/** Keys and quotes of a move. */
const MOVE_BYTES = 190;

/** The size that a plan may reach by its end. */
export const planBytes = (spec: RebalancePlanSpec, savings: Savings): number =>
  Buffer.byteLength(JSON.stringify(spec)) +
  Buffer.byteLength(JSON.stringify(savings)) +
  (spec.nodeClaimsToAdd ?? []).length * ADDED_STATUS_BYTES +
  (spec.nodeClaimsToDelete ?? []).length * REMOVED_STATUS_BYTES;

/** What a node and its pods take in a plan that replaces it. `planName` is part of each destination's name. */
export const estimatedBytes = (node: string, pods: readonly Pod[], planName: string): number =>
  pods.filter(isReschedulable).reduce((sum, pod) => {
    const owner = controllerOf(pod);
    const ownerBytes = owner ? owner.kind.length + owner.name.length + owner.uid.length : 0;
    const { name, namespace = '' } = pod.metadata;
    return sum + MOVE_BYTES + name.length + namespace.length + node.length + planName.length + ownerBytes;
  }, NODE_BYTES);
