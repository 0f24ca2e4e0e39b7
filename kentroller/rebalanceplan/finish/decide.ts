import type { RebalancePlan, RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import {
  HOURS_PER_MONTH,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_NODEPOOL,
  PREPARING_TAINT,
  ZONE,
} from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { addedNames, unlocks } from '../create/nodelock.ts';
import { PIN_BASELINE } from '../state/labels.ts';
import { countPlaced, movesOf } from '../state/moves.ts';
import type { World } from '../state/state.ts';
import { attemptsOf, reachedAt } from '../state/status.ts';
import { type Decision, type Step, steps } from '../state/step.ts';

/** The NodeClaim that stands for a name of the plan: the attempt in force, or the claim itself. */
export const claimInForce = (plan: RebalancePlan, name: string): string =>
  addedNames(plan).has(name) ? (attemptsOf(plan, name).at(-1)?.nodeClaimName ?? name) : name;

/** Pods that stood on the plan's existing destinations when it started, by owner and destination. */
export const baselineOf = (plan: RebalancePlan): Readonly<Record<string, number>> => {
  try {
    const read: unknown = JSON.parse(plan.metadata.annotations?.[PIN_BASELINE] ?? '{}');
    return typeof read === 'object' && read !== null ? (read as Record<string, number>) : {};
  } catch {
    return {};
  }
};

const placed = (world: World): { planned: number; placed: number } => {
  const moves = movesOf(world.plan.spec.podsToMigrate ?? [], true);
  const podsOn = (name: string): readonly Pod[] => world.pods.get(claimInForce(world.plan, name)) ?? [];
  return {
    planned: moves.reduce((sum, m) => sum + m.names.length, 0),
    placed: countPlaced(moves, baselineOf(world.plan), podsOn),
  };
};

/** Opens the nodes that the plan made: taint and do-not-disrupt off, unless the claim or its NodePool asks for the latter. */
export const releases = (world: World): readonly Step[] =>
  (world.plan.spec.nodeClaimsToAdd ?? []).flatMap((planned): Step[] => {
    const claim = claimInForce(world.plan, planned.metadata.name);
    const node = world.nodes.get(claim);
    if (!node || node.metadata.deletionTimestamp) return [];
    const pool = world.nodePools.get(planned.metadata.labels?.[KARPENTER_NODEPOOL] ?? '');
    const keeps = [planned.metadata, pool?.spec.template.metadata].some(
      (m) => m?.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined,
    );
    const isReserved = node.spec?.taints?.some((t) => t.key === PREPARING_TAINT) ?? false;
    const isGuarded =
      !keeps &&
      [node, world.nodeClaims.get(claim)].some(
        (o) => o?.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined,
      );
    if (!isReserved && !isGuarded) return [];
    return [
      {
        kind: 'release',
        node: node.metadata.name,
        claim,
        keeps,
        reason: 'NodeReleased',
        message: `Node ${node.metadata.name} is open to all pods and to Karpenter`,
      },
    ];
  });

/** What the plan's new nodes cost now, and what that saves; the planned price where the cloud tells none. */
const achievedCost = (world: World): NonNullable<RebalancePlanStatus['achievedOutcome']> => {
  const before = Number(world.plan.status?.savings?.currentMonthlyCost);
  const planned = new Map(
    (world.plan.status?.savings?.greenNodes ?? []).map((green) => [green.name, Number(green.priceHourly)]),
  );
  if (!(before > 0)) return {};
  const hourly = [...addedNames(world.plan)].reduce((sum, name) => {
    const labels = world.nodeClaims.get(claimInForce(world.plan, name))?.metadata.labels ?? {};
    const price = world.priceOf(
      labels[INSTANCE_TYPE] ?? '',
      labels[ZONE] ?? '',
      labels[KARPENTER_CAPACITY_TYPE] ?? '',
    );
    return sum + (price ?? planned.get(name) ?? 0);
  }, 0);
  const after = hourly * HOURS_PER_MONTH;
  return {
    monthlyCost: after.toFixed(2),
    savingsPercent: (((before - after) / before) * 100).toFixed(1),
    savingsCostMonthly: (before - after).toFixed(2),
    ...(world.clusterHourly === undefined
      ? {}
      : { clusterMonthlyCost: (world.clusterHourly * HOURS_PER_MONTH).toFixed(2) }),
  };
};

/** Karpenter buys a node for a pod that waits for a second, so a pod waits only for a pinner that is there. */
const hasWaited = (world: World): boolean =>
  world.waiting.some((pod) => {
    const since = Date.parse(pod.metadata.creationTimestamp ?? '');
    return !world.pins.connected || world.now - since > world.limits.pinHoldMs;
  });

/** Takes the reservation off the new nodes and leaves the rest: a pin may lose, a pod may not. */
export const openings = (world: World): readonly Step[] =>
  releases(world)
    .filter((step) => step.kind === 'release')
    .filter(({ claim }) => world.nodes.get(claim)?.spec?.taints?.some((t) => t.key === PREPARING_TAINT))
    .map((step) => ({
      ...step,
      keeps: true,
      reason: 'NodeOpened',
      message: `Node ${step.node} is opened to kube-scheduler before its pods are all there`,
    }));

/** The pinner left in the middle of a plan and has not come back in time. */
const isPinnerLost = (world: World): boolean => world.pins.goneForMs > world.limits.pinTimeoutMs;

/** True while nobody is there to pin what would be evicted now, and the new nodes are still kept for pinned pods. */
export const mustHoldEvictions = (world: World): boolean =>
  !world.pins.connected && !isPinnerLost(world) && openings(world).length > 0;

/** The same, once a pod of the plan has waited too long for its pin, or the pinner stays away. */
export const lateOpenings = (world: World): readonly Step[] =>
  hasWaited(world) || isPinnerLost(world) ? openings(world) : [];

/** The end of a plan: its pods run, its nodes are opened, its locks are off. */
export const settle = (world: World): Decision => {
  const outcome = placed(world);
  const since = reachedAt(world.plan, 'NodesDeleted') ?? world.now;
  const isLate = world.now - since > world.limits.settleTimeoutMs;
  if (outcome.placed < outcome.planned && !isLate) return steps(...lateOpenings(world));
  const next = [...releases(world), ...unlocks(world)];
  if (next.length > 0) return steps(...next);
  const missed = outcome.planned - outcome.placed;
  const warnings = world.plan.status?.warnings?.length ?? 0;
  const warn: Step = {
    kind: 'warn',
    reason: 'PodsElsewhere',
    message: `${missed} of ${outcome.planned} pods do not run where the plan put them`,
  };
  return steps(...(missed > 0 ? [warn] : []), {
    kind: 'finish',
    state: missed > 0 || warnings > 0 ? 'DoneWithWarnings' : 'Done',
    outcome: { podsPlanned: outcome.planned, podsPlaced: outcome.placed, ...achievedCost(world) },
    reason: 'PlanDone',
    message: `The plan is done: ${outcome.placed} of ${outcome.planned} pods run where it put them`,
  });
};
