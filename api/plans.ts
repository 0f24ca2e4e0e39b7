import type {
  NodeClaimToAdd,
  PlanState,
  PodToMigrate,
  RebalancePlan,
  RebalancePlanSpec,
} from './kinds/rebalanceplan.ts';
import type { Pod, Requirement } from './objects.ts';
import { isControlledBy } from './pods.ts';
import { isTrue } from './records/condition.ts';
import { valueAt } from './records/valueat.ts';

const FOREIGN = 'node/';

/**
 * Where a plan moves a pod: the name of a NodeClaim, or a key for a node that Karpenter does not own, which no NodeClaim
 * can be named. Empty for a move that names neither, as an older CRD leaves it, which is the name of no NodeClaim.
 */
export const destinationOf = ({
  dstNodeClaimName,
  dstNodeName,
}: Pick<PodToMigrate, 'dstNodeClaimName' | 'dstNodeName'>): string =>
  dstNodeClaimName ?? (dstNodeName === undefined ? '' : `${FOREIGN}${dstNodeName}`);

/** The name of the node of a destination that Karpenter does not own; undefined for a NodeClaim. */
export const foreignNodeOf = (destination: string): string | undefined =>
  destination.startsWith(FOREIGN) ? destination.slice(FOREIGN.length) : undefined;

/** The destination's name for people: of a node that Karpenter does not own, or of a NodeClaim. */
export const destinationName = (destination: string): string => foreignNodeOf(destination) ?? destination;

/**
 * What each way to order a planned node asks for, in the order of its alternatives: their requirements, and the claim's own for
 * keys that they leave out. Without alternatives the claim's own are the only way.
 */
export const requirementsOfEach = ({
  spec,
  alternatives,
}: NodeClaimToAdd): readonly (readonly Requirement[])[] => {
  const own = spec.requirements as readonly Requirement[];
  if (!alternatives?.length) return [own];
  return alternatives.map(({ requirements }) => {
    const given = requirements as readonly Requirement[];
    const keys = new Set(given.map(({ key }) => key));
    return [...own.filter(({ key }) => !keys.has(key)), ...given];
  });
};

/** Where a plan moves its pods, by the namespace and name of each. */
export const destinationsByPod = ({
  podsToMigrate = [],
}: Pick<RebalancePlanSpec, 'podsToMigrate'>): ReadonlyMap<string, string> =>
  new Map(podsToMigrate.map((move) => [`${move.namespace}/${move.name}`, destinationOf(move)]));

/** Names of the NodeClaims that a plan deletes. */
export const deletedClaims = ({
  nodeClaimsToDelete = [],
}: Pick<RebalancePlanSpec, 'nodeClaimsToDelete'>): readonly string[] =>
  nodeClaimsToDelete.map(({ nodeClaimName }) => nodeClaimName);

const FINAL: ReadonlySet<PlanState> = new Set<PlanState>([
  'Done',
  'DoneWithWarnings',
  'Failed',
  'Skipped',
  'Canceled',
  'Expired',
]);

/** True for a plan in a state that it never leaves. */
export const isFinished = ({ status }: RebalancePlan): boolean =>
  status?.state !== undefined && FINAL.has(status.state);

/** True for a plan that is being carried out or rolled back. */
export const isRunning = ({ status }: RebalancePlan): boolean => status?.state === 'Running';

/** True for a plan that runs and is not being rolled back. */
export const isUnderWay = (plan: RebalancePlan): boolean =>
  isRunning(plan) && plan.status?.failurePhase === undefined;

const hasReached = ({ status }: RebalancePlan, type: string): boolean => isTrue(status?.conditions, type);

/**
 * True once a pod of the plan may have moved: then its machines stay, whatever happens. `nodeNameOf` gives the node of a
 * NodeClaim while both exist.
 */
export const hasBegunToMove = (
  plan: RebalancePlan,
  nodeNameOf: (claim: string) => string | undefined,
): boolean => {
  // A node that was kept at once has only failed events.
  const isEmptied = Object.values(plan.status?.nodesDeletion ?? {}).some(({ events }) =>
    events.some(({ status }) => status !== 'Failed'),
  );
  if (isEmptied || hasReached(plan, 'NodesDeleted')) return true;
  if (!hasReached(plan, 'PinsReady')) return false;
  const removed = new Set((plan.spec.nodeClaimsToDelete ?? []).map((c) => nodeNameOf(c.nodeClaimName)));
  return (plan.spec.podsToMigrate ?? []).some(({ srcNode }) => srcNode && !removed.has(srcNode));
};

/** The phase that a running plan is in, or failed in: Creation until a pod may have moved. */
export const executionPhaseOf = (
  plan: RebalancePlan,
  nodeNameOf: (claim: string) => string | undefined,
): 'Creation' | 'Deletion' =>
  plan.status?.failurePhase ?? (hasBegunToMove(plan, nodeNameOf) ? 'Deletion' : 'Creation');

/** True for a pod whose controller is an owner of the plan: new pods of it may go where the plan puts them. */
export const movesOwnerOf = ({ spec }: RebalancePlan, pod: Pod): boolean =>
  spec.podsToMigrate?.some(({ owner, namespace }) => isControlledBy(pod, owner, namespace)) ?? false;

/**
 * True once a plan gives its slots to pods of its owners: from its pin step on, shortly before the first eviction.
 * Before that, new pods of these owners have nothing to do with the plan.
 */
export const givesSlots = (plan: RebalancePlan): boolean =>
  isUnderWay(plan) && hasReached(plan, 'SavingsValidated');

/** True while a node that the plan adds is ready; `planned` is its name in the plan. */
export const isAddedNodeReady = ({ status }: RebalancePlan, planned: string): boolean =>
  valueAt(status?.nodesCreation, planned)?.attempts.at(-1)?.status === 'Success';

/**
 * True once a plan gives its slots on one destination. Those on an added node begin when it is ready: the nodes that it
 * replaces are closed from then on, and a pod that leaves them needs the room.
 */
export const givesSlotsOn = (plan: RebalancePlan, destination: string): boolean =>
  givesSlots(plan) || (isUnderWay(plan) && isAddedNodeReady(plan, destination));
