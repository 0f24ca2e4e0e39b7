import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import type { CreationAttempt, NodeClaimToAdd, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOfferingSpec } from '../../../api/kinds/unavailableoffering.ts';
import {
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  OWNED_BY,
  ZONE,
} from '../../../api/labels.ts';
import { healthOf, isReady } from '../../../api/nodes.ts';
import type { NodeClaim } from '../../../api/objects.ts';
import { isOfDaemonSet, podName } from '../../../api/pods.ts';
import { isTrue } from '../../../api/records/condition.ts';
import { blockedFailure } from '../drain/blockers.ts';
import { unmigratableFailure } from '../drain/livemigration.ts';
import { awaitDaemonSets } from '../reservation.ts';
import type { AttemptRef } from '../state/attemptref.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf, hasOrdered } from '../state/status.ts';
import { type Decision, type Step, steps } from '../state/step.ts';
import { type AlternativeOffering, alternativeOf, offeringsOf } from './alternatives.ts';
import { lockSteps } from './nodelock.ts';
import { failCreation, orderSteps, priceFailure } from './ordersteps.ts';
import { tolerationSteps } from './pendingpods.ts';
import { isDearer } from './plancost.ts';
import { poolOf } from './poolbounds.ts';

const refOf = (planned: string, a: CreationAttempt): AttemptRef => ({
  planned,
  claimName: a.nodeClaimName,
  instanceType: a.instanceType,
  capacityType: a.capacityType ?? '',
  zone: a.zone ?? '',
  ...(a.alternative !== undefined && { alternative: a.alternative }),
  ...(a.priceCapHourly !== undefined && { priceCapHourly: a.priceCapHourly }),
});

/** The attempt with the offering that Karpenter launched, from the labels of its NodeClaim. */
const launchedAs = (ref: AttemptRef, claim: NodeClaim): AttemptRef => ({
  ...ref,
  instanceType: claim.metadata.labels?.[INSTANCE_TYPE] ?? ref.instanceType,
  capacityType: claim.metadata.labels?.[KARPENTER_CAPACITY_TYPE] ?? ref.capacityType,
  zone: claim.metadata.labels?.[ZONE] ?? ref.zone,
});

const SOON_MS = 500;
/** Karpenter's event arrives a moment after it deletes the NodeClaim. */
const EVENT_LATENESS_MS = 3_000;

/** The offerings that an attempt allowed, all of which the cloud refused: those of its alternative up to its price cap. */
const refusedOfferings = (
  state: Pick<ExecutionState, 'offerings' | 'nodePools'>,
  planned: NodeClaimToAdd,
  attempt: CreationAttempt,
): readonly UnavailableOfferingSpec[] => {
  const { offerings } = state;
  const tried = alternativeOf(planned, poolOf(state, planned), attempt);
  const cap = Number(attempt.priceCapHourly ?? Number.POSITIVE_INFINITY);
  const poolName = planned.metadata.labels?.[KARPENTER_NODEPOOL];
  const wasAllowed = ({ instanceType, zone, capacityType }: AlternativeOffering): boolean => {
    if (!offerings || zone === undefined || cap === Number.POSITIVE_INFINITY) return true;
    return !isDearer(offerings.price(instanceType, zone, capacityType, poolName) ?? cap, cap);
  };
  return (tried ? offeringsOf(tried) : []).filter(wasAllowed).map(({ reservation, ...offering }) => ({
    ...offering,
    ...(reservation && { capacityReservationId: reservation.id }),
    reason: 'InsufficientCapacityError' as const,
  }));
};

/** Fails an attempt whose NodeClaim no longer exists; undefined while Karpenter's reason may still arrive. */
const lostAttemptStep = (
  state: Pick<ExecutionState, 'claimFailures' | 'offerings' | 'nodePools' | 'now'>,
  planned: NodeClaimToAdd,
  last: CreationAttempt,
): Step | undefined => {
  const cause = state.claimFailures.get(last.nodeClaimName);
  const age = state.now - Date.parse(last.timestamp ?? '');
  if (cause === undefined && age < EVENT_LATENESS_MS) return undefined;
  const isCapacity = last.status === 'InProgress' && cause !== undefined && /capacity/i.test(cause);
  const description = isCapacity ? 'InsufficientCapacityError' : (cause ?? 'the NodeClaim no longer exists');
  return {
    kind: 'attempt-failed',
    attempt: refOf(planned.metadata.name, last),
    description,
    offerings: isCapacity ? refusedOfferings(state, planned, last) : [],
    reason: isCapacity ? 'InsufficientCapacity' : 'NodeClaimLost',
    message: `NodeClaim ${last.nodeClaimName} (${last.instanceType}): ${cause ?? description}`,
  };
};

/** Follows a planned node from its order to a ready node. */
const attemptSteps = (state: ExecutionState, planned: NodeClaimToAdd): readonly Step[] => {
  const last = attemptsOf(state.plan, planned.metadata.name).at(-1);
  if (!last || last.status === 'Failed') return [];
  const claim = state.nodeClaims.get(last.nodeClaimName);
  if (!claim || claim.metadata.deletionTimestamp) {
    const failure = lostAttemptStep(state, planned, last);
    return failure ? [failure] : [];
  }
  if (last.status === 'Success') return [];
  const ref = refOf(planned.metadata.name, last);
  const node = state.nodes.get(last.nodeClaimName);
  const health = node && healthOf(node);
  if (node && isReady(node) && health?.kind !== 'sick' && isInitialized(claim)) {
    return [
      {
        kind: 'attempt-succeeded',
        attempt: launchedAs(ref, claim),
        reason: 'NodeReady',
        message: `Node ${node.metadata.name} of NodeClaim ${last.nodeClaimName} is ready`,
      },
    ];
  }
  const age = state.now - Date.parse(claim.metadata.creationTimestamp ?? new Date(state.now).toISOString());
  if (age <= state.limits.joinDeadlineMs) return [];
  const seconds = Math.round(state.limits.joinDeadlineMs / 1000);
  const description =
    node && isInitialized(claim) && health?.kind === 'sick'
      ? `the machine was not fit for pods within ${seconds} s: ${health.reason}`
      : `the machine did not join within ${seconds} s`;
  return [
    {
      kind: 'attempt-failed',
      attempt: ref,
      description,
      offerings: [],
      reason: 'NodeJoinTimeout',
      message: `NodeClaim ${last.nodeClaimName} (${last.instanceType}): ${description}`,
    },
  ];
};

const isInitialized = (claim: NodeClaim): boolean => isTrue(claim.status?.conditions, 'Initialized');

/**
 * Deletes NodeClaims that the plan created and does not use, after the pods on nodes that never joined: no kubelet ends
 * those. A NodeClaim of somebody else that has such a name stays.
 */
export const withdrawClaims = (
  state: Pick<ExecutionState, 'nodeClaims' | 'nodes' | 'pods'> & {
    readonly plan: Pick<RebalancePlan, 'metadata'>;
  },
  claimNames: readonly string[],
): readonly Step[] =>
  claimNames.flatMap((name): Step[] => {
    const claim = state.nodeClaims.get(name);
    if (!claim || claim.metadata.deletionTimestamp || !isMarkedBy(state.plan, claim, OWNED_BY)) return [];
    const node = state.nodes.get(name);
    const neverJoined = node !== undefined && !node.status?.nodeInfo?.kubeletVersion;
    // A DaemonSet would replace its pod there at once; Kubernetes deletes it with the Node.
    const podsToDelete = neverJoined ? (state.pods.get(name) ?? []).filter((pod) => !isOfDaemonSet(pod)) : [];
    if (podsToDelete.length > 0) {
      return podsToDelete.map((pod) => ({
        kind: 'remove-pod',
        name: pod.metadata.name,
        namespace: pod.metadata.namespace ?? '',
        uid: pod.metadata.uid ?? '',
        reason: 'PodRescued',
        message: `Pod ${podName(pod)} is deleted from node ${node?.metadata.name}, which never joined`,
      }));
    }
    return [
      {
        kind: 'delete-claim',
        claim: name,
        uid: claim.metadata.uid ?? '',
        reason: 'NodeClaimWithdrawn',
        message: `Deleting NodeClaim ${name}, which the plan created and does not use`,
      },
    ];
  });

/** Fails a plan before it orders a machine when it touches a static NodePool, whose number of nodes Karpenter keeps. */
const staticFailure = (state: ExecutionState, planned: readonly NodeClaimToAdd[]): Step | undefined => {
  if (hasOrdered(state.plan)) return undefined;
  const touched = [
    ...planned.map((p) => p.metadata.labels?.[KARPENTER_NODEPOOL]),
    ...(state.plan.spec.nodeClaimsToDelete ?? []).map(
      ({ nodeClaimName }) => state.nodeClaims.get(nodeClaimName)?.metadata.labels?.[KARPENTER_NODEPOOL],
    ),
  ];
  const name = touched.find((each) => state.nodePools.get(each ?? '')?.spec.replicas !== undefined);
  return name === undefined
    ? undefined
    : failCreation(
        'FailureReasonStaticNodePool',
        `NodePool ${name} is static: set its replicas instead, or make a plan without its nodes.`,
      );
};

/** Fails a plan one of whose NodePools is gone: Karpenter ends the machines of it, old and new. */
const poolGoneFailure = (state: ExecutionState, planned: readonly NodeClaimToAdd[]): Step | undefined => {
  for (const { metadata } of planned) {
    const poolName = metadata.labels?.[KARPENTER_NODEPOOL] ?? '';
    const pool = state.nodePools.get(poolName);
    if (pool && !pool.metadata.deletionTimestamp) continue;
    return failCreation(
      'FailureReasonNodePoolGone',
      `NodePool ${poolName} of planned node ${metadata.name} is gone: make a new plan.`,
    );
  }
  return undefined;
};

/** The creation phase: locks the existing nodes, orders the added ones and waits until they are ready. */
export const decideCreation = (state: ExecutionState): Decision => {
  const locks = lockSteps(state);
  if (locks.length > 0) return steps(...locks);
  const planned = state.plan.spec.nodeClaimsToAdd ?? [];
  const refused =
    poolGoneFailure(state, planned) ??
    unmigratableFailure(state) ??
    staticFailure(state, planned) ??
    blockedFailure(state) ??
    priceFailure(state, planned);
  if (refused) return steps(refused);
  const tolerations = tolerationSteps(state);
  if (tolerations.length > 0) return steps(...tolerations);
  const orders = orderSteps(state, planned);
  const next = [...orders, ...planned.flatMap((p) => attemptSteps(state, p))];
  const failure = next.find((s) => s.kind === 'fail');
  if (failure) return steps(failure);
  const failed = planned
    .flatMap((p) => attemptsOf(state.plan, p.metadata.name))
    .filter((a) => a.status === 'Failed')
    .map((a) => a.nodeClaimName);
  const withdrawals = withdrawClaims(state, failed);
  if (next.length > 0 || withdrawals.length > 0)
    return { steps: [...next, ...withdrawals], againAfterMs: SOON_MS };
  const isDone = planned.every((p) => attemptsOf(state.plan, p.metadata.name).at(-1)?.status === 'Success');
  if (!isDone || awaitDaemonSets(state)) return { steps: [], againAfterMs: SOON_MS };
  return steps({
    kind: 'advance',
    phase: 'NodesCreated',
    reason: 'NodesReady',
    message:
      planned.length === 0
        ? 'The plan adds no nodes'
        : `All ${planned.length} nodes that the plan adds are ready`,
  });
};
