import type { RebalancePlanSpec, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../api/objects.ts';
import { destinationOf } from '../../api/plans.ts';
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

/** Keys, quotes and both uids of a pod that a surge detached. */
const DETACHED_BYTES = 200;
/** Quotes and count of an entry of the baseline. */
const BASELINE_BYTES = 12;

/** What status.detachedPods and status.pinBaseline may take: the only pod of an owner may surge, and each owner may have pods on each kept destination. */
const moveStatusBytes = ({ podsToMigrate = [], nodeClaimsToAdd = [] }: RebalancePlanSpec): number => {
  const added = new Set(nodeClaimsToAdd.map(({ metadata }) => metadata.name));
  const pods = Map.groupBy(podsToMigrate, ({ owner }) => owner?.uid);
  const baseline = new Set(
    podsToMigrate
      .filter((move) => move.owner !== undefined && !added.has(destinationOf(move)))
      .map((move) => `${move.owner?.uid}/${destinationOf(move)}`),
  );
  const surging = podsToMigrate.filter(({ owner }) => owner && pods.get(owner.uid)?.length === 1);
  return (
    [...baseline].reduce((sum, key) => sum + BASELINE_BYTES + key.length, 0) +
    surging.reduce(
      (sum, { name, namespace, owner }) =>
        sum + DETACHED_BYTES + name.length + namespace.length + (owner?.name.length ?? 0),
      0,
    )
  );
};

/** The size that a plan may reach by its end. */
export const planBytes = (spec: RebalancePlanSpec, savings: Savings): number =>
  Buffer.byteLength(JSON.stringify(spec)) +
  Buffer.byteLength(JSON.stringify(savings)) +
  moveStatusBytes(spec) +
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
