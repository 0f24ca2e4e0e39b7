import type { RebalancePlanSpec, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../api/objects.ts';
import { destinationOf } from '../../api/plans.ts';
import { controllerOf, isReschedulable } from '../../api/pods.ts';
import { STATUS_ENDS } from '../rebalanceplan/state/status.ts';

/** The size of a stored plan with its full status, in bytes of JSON. The API server takes 1.5 MB. */
export const MAX_STORED_BYTES = 700_000;
/** The size that parts of a large decision are cut to, by an estimate made before the search. */
export const PART_BYTES = 450_000;

/** Keys, name of a machine, offering, price and time of an attempt, without what it says. */
const ATTEMPT_BYTES = 290;
/** Keys, time and the name of a migration in an event of a removed node, without what it says. */
const EVENT_BYTES = 160;
/** Keys of a node's entry in the status, and what is left of its NodePool in its budget. */
const NODE_STATUS_BYTES = 120;
/** Types of conditions of a plan: its phases, Failed, Finished, WritesAccepted. */
const CONDITIONS = 10;
/** Keys, reason and time of a condition. */
const CONDITION_BYTES = 180;
/** Keys of a warning. */
const WARNING_BYTES = 20;
/** What each plan's status may say as a whole: warnings, conditions, why it failed, what it came to, its hash and times. */
const WHOLE_STATUS_BYTES =
  STATUS_ENDS.warnings * (STATUS_ENDS.warningText + WARNING_BYTES) +
  CONDITIONS * (STATUS_ENDS.message + CONDITION_BYTES) +
  STATUS_ENDS.message +
  1_000;
/** What `planBytes` of a plan may be. */
export const MAX_PLAN_BYTES = MAX_STORED_BYTES - WHOLE_STATUS_BYTES;
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

/** What status.nodesCreation may take: each alternative of an added node tried, in vain. */
const creationBytes = ({ nodeClaimsToAdd = [] }: RebalancePlanSpec): number =>
  nodeClaimsToAdd.reduce((sum, { metadata: { name }, alternatives = [] }) => {
    const attempts = Math.max(1, alternatives.length);
    const attempt = ATTEMPT_BYTES + name.length + STATUS_ENDS.attemptText;
    return sum + NODE_STATUS_BYTES + 2 * name.length + attempts * attempt;
  }, 0);

/** What status.nodesDeletion and status.nodePoolBudgets may take. */
const deletionBytes = ({ nodeClaimsToDelete = [] }: RebalancePlanSpec): number =>
  nodeClaimsToDelete.reduce((sum, { nodeClaimName: name }) => {
    const event = EVENT_BYTES + name.length + STATUS_ENDS.eventText;
    return sum + NODE_STATUS_BYTES + 3 * name.length + STATUS_ENDS.events * event;
  }, 0);

/**
 * The size that a plan may reach by its end, but for what is the same in all plans. Its savings are there twice: as planned,
 * and as validated.
 */
export const planBytes = (spec: RebalancePlanSpec, savings: Savings): number =>
  Buffer.byteLength(JSON.stringify(spec)) +
  2 * Buffer.byteLength(JSON.stringify(savings)) +
  moveStatusBytes(spec) +
  creationBytes(spec) +
  deletionBytes(spec);

/** What a node and its pods take in a plan that replaces it. `planName` is part of each destination's name. */
export const estimatedBytes = (node: string, pods: readonly Pod[], planName: string): number =>
  pods.filter(isReschedulable).reduce((sum, pod) => {
    const owner = controllerOf(pod);
    const ownerBytes = owner ? owner.kind.length + owner.name.length + owner.uid.length : 0;
    const { name, namespace = '' } = pod.metadata;
    return sum + MOVE_BYTES + name.length + namespace.length + node.length + planName.length + ownerBytes;
  }, NODE_BYTES);
