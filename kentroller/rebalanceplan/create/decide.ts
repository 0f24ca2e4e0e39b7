import type { CreationAttempt, NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, ZONE } from '../../../api/labels.ts';
import { isReady } from '../../../api/nodes.ts';
import type { NodeClaim } from '../../../api/objects.ts';
import { limitBlocker } from '../../../planner/cluster/nodepoollimits.ts';
import { unmigratable } from '../drain/livemigration.ts';
import type { World } from '../state/state.ts';
import { attemptsOf } from '../state/status.ts';
import { type AttemptRef, type Decision, type Step, steps } from '../state/step.ts';
import { alternativesOf, nextAlternative, offeringsOf } from './alternatives.ts';
import { attemptName, buildNodeClaim } from './nodeclaim.ts';
import { lock } from './nodelock.ts';

const fail = (failureReason: string, message: string): Step => ({
  kind: 'fail',
  phase: 'Creation',
  failureReason,
  reason: failureReason,
  message,
});

const refOf = (planned: string, a: CreationAttempt): AttemptRef => ({
  planned,
  claimName: a.nodeClaimName,
  instanceType: a.instanceType,
  capacityType: a.capacityType ?? '',
  zone: a.zone ?? '',
});

/** What became of the machine, where it is known: labels that Karpenter sets once it is launched. */
const launchedAs = (ref: AttemptRef, claim: NodeClaim): AttemptRef => ({
  ...ref,
  instanceType: claim.metadata.labels?.[INSTANCE_TYPE] ?? ref.instanceType,
  capacityType: claim.metadata.labels?.[KARPENTER_CAPACITY_TYPE] ?? ref.capacityType,
  zone: claim.metadata.labels?.[ZONE] ?? ref.zone,
});

const attempt = (world: World, planned: NodeClaimToAdd, made: readonly CreationAttempt[]): Step => {
  const name = planned.metadata.name;
  const poolName = planned.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';
  const pool = world.nodePools.get(poolName);
  if (!pool || pool.metadata.deletionTimestamp) {
    return fail(
      'FailureReasonNodePoolGone',
      `NodePool ${poolName} of planned node ${name} is gone: make a new plan.`,
    );
  }
  const alternative = nextAlternative(planned, made, world.unavailable, world.now);
  if (!alternative) {
    const last = made.at(-1)?.description;
    return fail(
      'FailureReasonNodeCreateFailed',
      `No node could be had for ${name} after ${made.length} attempts${last ? `, the last one: ${last}` : ''}. Allow more instance types or zones in NodePool ${poolName}.`,
    );
  }
  const claimName = attemptName(name, made.length + 1);
  return {
    kind: 'create-claim',
    attempt: {
      planned: name,
      claimName,
      instanceType: alternative.instanceType,
      capacityType: alternative.capacityType,
      zone: alternative.zone,
    },
    claim: buildNodeClaim({ plan: world.plan.metadata.name, planned, alternative, name: claimName, pool }),
    reason: 'NodeClaimCreated',
    message: `Ordering ${alternative.instanceType} (${alternative.capacityType}${alternative.zone ? `, ${alternative.zone}` : ''}) as NodeClaim ${claimName}`,
  };
};

const SOON_MS = 500;
/** Karpenter's event comes a moment after it deletes the claim. */
const EVENT_LATENESS_MS = 3_000;

/** The attempt whose claim is gone; undefined while the reason may still come. */
const lost = (world: World, planned: NodeClaimToAdd, last: CreationAttempt): Step | undefined => {
  const said = world.losses.get(last.nodeClaimName);
  const age = world.now - Date.parse(last.timestamp ?? '');
  if (said === undefined && age < EVENT_LATENESS_MS) return undefined;
  const isCapacity = last.status === 'InProgress' && said !== undefined && /capacity/i.test(said);
  const tried = alternativesOf(planned).find(
    (a) =>
      a.instanceType === last.instanceType &&
      a.zone === (last.zone ?? '') &&
      a.capacityType === (last.capacityType ?? ''),
  );
  const description = isCapacity ? 'InsufficientCapacityError' : (said ?? 'the NodeClaim is gone');
  return {
    kind: 'attempt-failed',
    attempt: refOf(planned.metadata.name, last),
    description,
    offerings: isCapacity && tried ? offeringsOf(tried) : [],
    reason: isCapacity ? 'InsufficientCapacity' : 'NodeClaimLost',
    message: `NodeClaim ${last.nodeClaimName} (${last.instanceType}): ${said ?? description}`,
  };
};

const follow = (world: World, planned: NodeClaimToAdd): readonly Step[] => {
  const made = attemptsOf(world.plan, planned.metadata.name);
  const last = made.at(-1);
  if (!last || last.status === 'Failed') return [attempt(world, planned, made)];
  const claim = world.nodeClaims.get(last.nodeClaimName);
  if (!claim || claim.metadata.deletionTimestamp) {
    const loss = lost(world, planned, last);
    return loss ? [loss] : [];
  }
  if (last.status === 'Success') return [];
  const ref = refOf(planned.metadata.name, last);
  const node = world.nodes.get(last.nodeClaimName);
  if (node && isReady(node) && isInitialized(claim)) {
    return [
      {
        kind: 'attempt-succeeded',
        attempt: launchedAs(ref, claim),
        reason: 'NodeReady',
        message: `Node ${node.metadata.name} of NodeClaim ${last.nodeClaimName} is ready`,
      },
    ];
  }
  const age = world.now - Date.parse(claim.metadata.creationTimestamp ?? new Date(world.now).toISOString());
  if (age <= world.limits.joinDeadlineMs) return [];
  const description = `the machine did not join within ${Math.round(world.limits.joinDeadlineMs / 1000)} s`;
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

const isInitialized = (claim: NodeClaim): boolean =>
  claim.status?.conditions?.some((c) => c.type === 'Initialized' && c.status === 'True') ?? false;

/** Claims of attempts that failed and are still there: our pods off first, since Karpenter evicts nothing there. */
export const sweep = (world: World, claimNames: readonly string[]): readonly Step[] =>
  claimNames.flatMap((name): Step[] => {
    const claim = world.nodeClaims.get(name);
    if (!claim || claim.metadata.deletionTimestamp) return [];
    const node = world.nodes.get(name);
    const neverJoined = node !== undefined && !node.status?.nodeInfo?.kubeletVersion;
    const stranded = neverJoined ? (world.pods.get(name) ?? []) : [];
    if (stranded.length > 0) {
      return stranded.map((pod) => ({
        kind: 'remove-pod',
        name: pod.metadata.name,
        namespace: pod.metadata.namespace ?? '',
        uid: pod.metadata.uid ?? '',
        reason: 'PodRescued',
        message: `Pod ${pod.metadata.namespace}/${pod.metadata.name} is taken off node ${node?.metadata.name}, which never joined`,
      }));
    }
    return [
      {
        kind: 'delete-claim',
        claim: name,
        uid: claim.metadata.uid ?? '',
        reason: 'NodeClaimWithdrawn',
        message: `Deleting NodeClaim ${name}, which the plan made and does not use`,
      },
    ];
  });

/** Before the first machine is ordered: Karpenter keeps the nodes of a static NodePool at their number, so nobody else may. */
const staticFailure = (world: World, planned: readonly NodeClaimToAdd[]): Step | undefined => {
  if (Object.keys(world.plan.status?.nodesCreation ?? {}).length > 0) return undefined;
  const touched = [
    ...planned.map((p) => p.metadata.labels?.[KARPENTER_NODEPOOL]),
    ...(world.plan.spec.nodeClaimsToDelete ?? []).map(
      ({ nodeClaimName }) => world.nodeClaims.get(nodeClaimName)?.metadata.labels?.[KARPENTER_NODEPOOL],
    ),
  ];
  const name = touched.find((each) => world.nodePools.get(each ?? '')?.spec.replicas !== undefined);
  return name === undefined
    ? undefined
    : fail(
        'FailureReasonStaticNodePool',
        `NodePool ${name} is static: set its replicas instead, or make a plan without its nodes.`,
      );
};

/** Before the first machine is ordered: do the NodePools' limits allow them all at once? */
const limitFailure = (world: World, planned: readonly NodeClaimToAdd[]): Step | undefined => {
  if (Object.keys(world.plan.status?.nodesCreation ?? {}).length > 0) return undefined;
  const green = new Map((world.plan.status?.savings?.greenNodes ?? []).map((node) => [node.name, node]));
  for (const [name, pool] of world.nodePools) {
    const adds = planned
      .filter((p) => p.metadata.labels?.[KARPENTER_NODEPOOL] === name)
      .flatMap((p) => green.get(p.metadata.name) ?? []);
    const reason = adds.length > 0 ? limitBlocker(pool, adds) : undefined;
    if (reason) return fail('FailureReasonNodePoolLimit', `${reason}. Raise it, or plan for fewer nodes.`);
  }
  return undefined;
};

/** The creation phase: lock the nodes that go, order the nodes that come, follow each order to a ready node. */
export const create = (world: World): Decision => {
  const locks = lock(world);
  if (locks.length > 0) return steps(...locks);
  const planned = world.plan.spec.nodeClaimsToAdd ?? [];
  const limited = unmigratable(world) ?? staticFailure(world, planned) ?? limitFailure(world, planned);
  if (limited) return steps(limited);
  const next = planned.flatMap((p) => follow(world, p));
  const failure = next.find((s) => s.kind === 'fail');
  if (failure) return steps(failure);
  const failed = planned
    .flatMap((p) => attemptsOf(world.plan, p.metadata.name))
    .filter((a) => a.status === 'Failed')
    .map((a) => a.nodeClaimName);
  const cleaning = sweep(world, failed);
  if (next.length > 0 || cleaning.length > 0) return steps(...next, ...cleaning);
  const isDone = planned.every((p) => attemptsOf(world.plan, p.metadata.name).at(-1)?.status === 'Success');
  if (!isDone) return { steps: [], againAfterMs: SOON_MS };
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
