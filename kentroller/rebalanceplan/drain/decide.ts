import { DRAINING, KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { isDrainable, isTerminating } from '../../../api/pods.ts';
import { allowedDisruptions } from '../../../planner/cluster/disruptionbudget.ts';
import { mustHoldEvictions } from '../finish/decide.ts';
import { CORDONED_BY, DRAINING_REBALANCING } from '../state/labels.ts';
import type { World } from '../state/state.ts';
import { deletionEventsOf } from '../state/status.ts';
import { type Decision, LOOK_AGAIN_MS, type Step, steps } from '../state/step.ts';
import { drainSince, migrate } from './livemigration.ts';
import { mandatoryPods } from './livemigrationpods.ts';
import { straysLeft } from './podsonkeptnodes.ts';
import { surge } from './surge.ts';

const SOON_MS = 250;

interface Drained {
  readonly steps: readonly Step[];
  /** Cordoned and not yet empty, or its NodeClaim not yet gone. */
  readonly busy: boolean;
  readonly done: boolean;
}

const remove = (world: World, claim: string): Step | undefined => {
  const object = world.nodeClaims.get(claim);
  if (!object || object.metadata.deletionTimestamp) return undefined;
  return {
    kind: 'delete-claim',
    claim,
    uid: object.metadata.uid ?? '',
    reason: 'NodeClaimDeleted',
    message: `Deleting NodeClaim ${claim}: its node is empty`,
  };
};

/** Once eviction has had its time: what is still there is deleted, with its grace period, where the plan says so. */
const forced = (world: World, claim: string): readonly Step[] => {
  const kept = new Set(mandatoryPods(world, claim));
  return (world.pods.get(claim) ?? [])
    .filter((pod) => isDrainable(pod) && !isTerminating(pod) && !kept.has(pod))
    .map((pod) => ({
      kind: 'delete-pod' as const,
      name: pod.metadata.name,
      namespace: pod.metadata.namespace ?? '',
      uid: pod.metadata.uid ?? '',
      reason: 'PodDeleted',
      message: `Deleting pod ${pod.metadata.namespace}/${pod.metadata.name}, which could not be evicted in time`,
    }));
};

const drainTimedOut = (
  world: World,
  claim: string,
  node: Node,
  since: number,
): readonly Step[] | undefined => {
  const { drainTimeoutMs } = world.limits;
  const overdue = world.now - since - drainTimeoutMs;
  if (overdue <= 0) return undefined;
  const isForced = world.plan.spec.aggressiveMode?.aggressiveEviction ?? false;
  if (isForced && overdue <= drainTimeoutMs) return forced(world, claim);
  const left = (world.pods.get(claim) ?? []).filter(isDrainable);
  const names = left.slice(0, 3).map((p) => `${p.metadata.namespace}/${p.metadata.name}`);
  return [
    {
      kind: 'fail',
      phase: 'Deletion',
      failureReason: 'FailureReasonDrainTimeout',
      reason: 'FailureReasonDrainTimeout',
      message: `Node ${node.metadata.name} was not empty after ${Math.round((world.now - since) / 1000)} s: ${names.join(', ')}${left.length > 3 ? ` and ${left.length - 3} more` : ''} stayed. Look at their PodDisruptionBudgets and grace periods, or set aggressiveEviction.`,
    },
  ];
};

const isCordoned = (node: Node): boolean =>
  node.spec?.unschedulable === true && node.metadata.labels?.[DRAINING] === DRAINING_REBALANCING;

const eviction = (pod: Pod): Step => ({
  kind: 'evict',
  name: pod.metadata.name,
  namespace: pod.metadata.namespace ?? '',
  uid: pod.metadata.uid ?? '',
  reason: 'PodEvicted',
  message: `Evicting pod ${pod.metadata.namespace}/${pod.metadata.name}`,
});

const evictionsOf = (world: World, pods: readonly Pod[]): readonly Step[] => {
  if (mustHoldEvictions(world)) return [];
  return pods
    .filter((pod) => isDrainable(pod) && !isTerminating(pod))
    .filter((pod) => (world.heldUntil.get(pod.metadata.uid ?? '') ?? 0) <= world.now)
    .flatMap((pod) => surge(world, pod) ?? [eviction(pod)]);
};

const evictions = (world: World, claim: string): readonly Step[] => {
  const kept = new Set(mandatoryPods(world, claim));
  return evictionsOf(
    world,
    (world.pods.get(claim) ?? []).filter((pod) => !kept.has(pod)),
  );
};

const begin = (claim: string, node: Node): readonly Step[] => [
  {
    kind: 'record-deletion',
    claim,
    status: 'InProgress',
    description: `draining node ${node.metadata.name}`,
    reason: 'NodeDraining',
    message: `Emptying node ${node.metadata.name}`,
  },
  {
    kind: 'cordon',
    node: node.metadata.name,
    reason: 'NodeCordoned',
    message: `Cordoning node ${node.metadata.name}`,
  },
];

const drain = (world: World, claim: string, mayBegin: boolean): Drained => {
  const events = deletionEventsOf(world.plan, claim);
  const node = world.nodes.get(claim);
  const object = world.nodeClaims.get(claim);
  if (!object) {
    if (events.at(-1)?.status === 'Success') return { steps: [], busy: false, done: true };
    const success: Step = {
      kind: 'record-deletion',
      claim,
      status: 'Success',
      description: 'the NodeClaim is gone',
      reason: 'NodeRemoved',
      message: `NodeClaim ${claim} is gone`,
    };
    return { steps: [success], busy: false, done: false };
  }
  if (object.metadata.deletionTimestamp) return { steps: [], busy: true, done: false };
  if (!node) {
    const deletion = remove(world, claim);
    return { steps: deletion ? [deletion] : [], busy: true, done: false };
  }
  if (events.length === 0) {
    return mayBegin
      ? { steps: begin(claim, node), busy: true, done: false }
      : { steps: [], busy: false, done: false };
  }
  if (!isCordoned(node)) {
    const cordon = begin(claim, node).filter((s) => s.kind === 'cordon');
    return { steps: cordon, busy: true, done: false };
  }
  // A node that looks empty may still be sending the memory of its last pod.
  const moving = migrate(world, claim);
  if (moving) return { steps: moving, busy: true, done: false };
  const left = (world.pods.get(claim) ?? []).filter(isDrainable);
  if (left.length === 0) {
    const deletion = remove(world, claim);
    return { steps: deletion ? [deletion] : [], busy: true, done: false };
  }
  const late = drainTimedOut(world, claim, node, drainSince(events));
  return { steps: late ?? evictions(world, claim), busy: true, done: false };
};

const poolOf = (world: World, claim: string): string =>
  world.nodeClaims.get(claim)?.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';

/** How many nodes of each NodePool may begin to go now. */
export const budgetsOf = (world: World): Map<string, number> => {
  const ignoresZero = world.plan.spec.aggressiveMode?.ignoreZeroNodePoolDisruptionBudgets ?? false;
  return new Map(
    [...world.nodePools].map(([name, pool]) => [
      name,
      allowedDisruptions(
        pool,
        world.poolNodes.get(name) ?? { total: 0, disrupted: 0 },
        world.now,
        ignoresZero,
      ),
    ]),
  );
};

/** The same for the NodePools that lose nodes, as it is told when the plan starts. */
export const poolBudgets = (world: World): { nodePoolName: string; allowedDisruptions: number }[] => {
  const losing = (world.plan.spec.nodeClaimsToDelete ?? []).map((c) => poolOf(world, c.nodeClaimName));
  return [...budgetsOf(world)]
    .filter(([name]) => losing.includes(name))
    .map(([nodePoolName, allowedDisruptions]) => ({ nodePoolName, allowedDisruptions }));
};

/**
 * The deletion phase: pods that leave nodes which stay go first, since others of the plan get their room; then cordon,
 * evict, delete, so many nodes at a time, until each NodeClaim is gone.
 */
export const drainAndDelete = (world: World): Decision => {
  const claims = (world.plan.spec.nodeClaimsToDelete ?? []).map((c) => c.nodeClaimName);
  const hasBegun = (claim: string): boolean =>
    deletionEventsOf(world.plan, claim).length > 0 && world.nodeClaims.has(claim);
  const strays = straysLeft(world);
  let room = strays.length > 0 ? 0 : world.limits.maxSimultaneousDrains - claims.filter(hasBegun).length;
  const budgets = budgetsOf(world);
  const results = claims.map((claim) => {
    const pool = poolOf(world, claim);
    const budget = budgets.get(pool) ?? Number.POSITIVE_INFINITY;
    const mayBegin = hasBegun(claim) || (room > 0 && budget > 0);
    const result = drain(world, claim, mayBegin);
    if (!hasBegun(claim) && result.busy) {
      room -= 1;
      budgets.set(pool, budget - 1);
    }
    return result;
  });
  const next = [...evictionsOf(world, strays), ...results.flatMap((r) => r.steps)];
  const failure = next.find((s) => s.kind === 'fail');
  if (failure) return steps(failure);
  if (next.length > 0 || strays.length > 0 || results.some((r) => !r.done))
    return { steps: next, againAfterMs: againAfter(world) };
  return steps({
    kind: 'advance',
    phase: 'NodesDeleted',
    reason: 'NodesRemoved',
    message:
      claims.length === 0
        ? 'The plan removes no nodes'
        : `All ${claims.length} nodes that the plan removes are gone`,
  });
};

const againAfter = (world: World): number => {
  const held = [...world.heldUntil.values()].filter((until) => until > world.now);
  // Whether the pinner is there is told by no watch.
  const soon = world.waiting.length > 0 || !world.pins.connected ? SOON_MS : LOOK_AGAIN_MS;
  return Math.min(soon, ...held.map((until) => until - world.now));
};

/** Nodes that the plan began to empty and that stay: their history ends with why. */
export const givenUp = (world: World): readonly Step[] =>
  (world.plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }): Step[] => {
    const claim = world.nodeClaims.get(nodeClaimName);
    if (!claim || claim.metadata.deletionTimestamp) return [];
    const last = deletionEventsOf(world.plan, nodeClaimName).at(-1)?.status;
    if (!last || last === 'Success' || last === 'Failed') return [];
    const description = world.plan.status?.failureMessage ?? 'the plan failed';
    return [
      {
        kind: 'record-deletion',
        claim: nodeClaimName,
        status: 'Failed',
        description,
        reason: 'NodeKept',
        message: `NodeClaim ${nodeClaimName} stays: ${description}`,
      },
    ];
  });

/** Nodes of this plan that a rollback opens again; only those that it cordoned. */
export const uncordons = (world: World): readonly Step[] =>
  (world.plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }): Step[] => {
    const node = world.nodes.get(nodeClaimName);
    if (!node || node.metadata.annotations?.[CORDONED_BY] !== world.plan.metadata.name) return [];
    const left = (world.pods.get(nodeClaimName) ?? []).filter(isDrainable).length;
    return [
      {
        kind: 'uncordon',
        node: node.metadata.name,
        drainFailed: left > 0,
        reason: 'NodeUncordoned',
        message: `Opening node ${node.metadata.name} again`,
      },
    ];
  });
