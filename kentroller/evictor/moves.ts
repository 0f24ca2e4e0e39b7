import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, EVICTED_TAINT } from '../../api/labels.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import { deletedClaims, isFinished, isRunning } from '../../api/plans.ts';
import { controllerKey, controllerOf } from '../../api/pods.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { namespaceOf } from '../../planner/scheduling/interpodaffinity.ts';
import { CONTINUOUS, MADE_BY } from '../continuous/decide.ts';

/** What the evictor did lately, derived from its plans, so that a restart forgets nothing. */

export const EVICTOR = 'evictor';
const KEPT_PLANS = 10;
/** More plans are not kept for any cooldown: the pods of older ones may be moved again. */
const MOST_PLANS = 1_000;

const isOurs = ({ metadata }: RebalancePlan): boolean => metadata.labels?.[MADE_BY] === EVICTOR;
const startOf = ({ status }: RebalancePlan): number => Date.parse(status?.startTime ?? '');
const endOf = ({ status }: RebalancePlan): number => Date.parse(status?.completionTime ?? '') || 0;

/** True until the cooldown after the plan's end is over. */
const isRecent = (plan: RebalancePlan, now: number, cooldownMs: number): boolean =>
  !isFinished(plan) || endOf(plan) + cooldownMs > now;

/** The evictor's plans to delete: those that never ran, and finished ones that no cooldown needs, but the newest ten, or that are too many. */
export const plansToPrune = (
  plans: readonly RebalancePlan[],
  now: number,
  cooldownMs: number,
): readonly RebalancePlan[] => {
  const ours = plans.filter(isOurs);
  const unstarted = ours.filter((plan) => !isFinished(plan) && !plan.spec.execute);
  const newestFirst = ours.filter(isFinished).toSorted((a, b) => endOf(b) - endOf(a));
  const isNeeded = (plan: RebalancePlan, at: number): boolean =>
    at < KEPT_PLANS || (at < MOST_PLANS && isRecent(plan, now, cooldownMs));
  return [...unstarted, ...newestFirst.filter((plan, at) => !isNeeded(plan, at))];
};

/** The evictor's plans that have not started, which go when it may drain nothing any more. */
export const plansToWithdraw = (plans: readonly RebalancePlan[]): readonly RebalancePlan[] =>
  plans.filter((plan) => isOurs(plan) && plan.spec.execute && !isFinished(plan) && !isRunning(plan));

/** Whether a plan moves pods unasked: whichever of the two cycles moved a pod, the other leaves it alone, too. */
const isUnasked = (plan: RebalancePlan): boolean =>
  isOurs(plan) || plan.metadata.labels?.[MADE_BY] === CONTINUOUS;

/**
 * Until when each pod that the evictor or continuous rebalancing moved stays where it is, in milliseconds since 1970; 0 for one that
 * may be moved. A pod counts as moved that was made since a plan began to move pods of its controller.
 */
export const cooldownOf = (plans: readonly RebalancePlan[], cooldownMs: number): ((pod: Pod) => number) => {
  const starts = new Map<string, number>();
  for (const plan of plans) {
    const start = startOf(plan);
    if (!isUnasked(plan) || Number.isNaN(start)) continue;
    for (const { owner, namespace } of plan.spec.podsToMigrate ?? []) {
      if (!owner) continue;
      const key = controllerKey(owner, namespace);
      starts.set(key, Math.min(start, starts.get(key) ?? start));
    }
  }
  return (pod) => {
    const owner = controllerOf(pod);
    const start = owner && starts.get(controllerKey(owner, namespaceOf(pod)));
    // Creation times are whole seconds.
    const created = Date.parse(pod.metadata.creationTimestamp ?? '');
    return start !== undefined && created + 1_000 > start ? created + cooldownMs : 0;
  };
};

/** Names of the NodeClaims that a plan of the evictor drains, or drained within the cooldown. */
export const recentlyDrained = (
  plans: readonly RebalancePlan[],
  now: number,
  cooldownMs: number,
): ReadonlySet<string> =>
  new Set(
    plans
      .filter((plan) => isOurs(plan) && isRecent(plan, now, cooldownMs))
      .flatMap(({ spec }) => deletedClaims(spec)),
  );

export const hasEvictedTaint = ({ spec }: Node): boolean =>
  spec?.taints?.some(({ key }) => key === EVICTED_TAINT) ?? false;

/**
 * The snapshot in which no pod goes to a node that the evictor drained a short time ago. The taint is made hard rather than
 * the node cordoned: a cordoned node counts as disrupted, and would use up the budget of its NodePool.
 */
export const withoutWayBack = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  nodes: snapshot.nodes.map((node) => {
    if (!hasEvictedTaint(node)) return node;
    const taints = (node.spec?.taints ?? []).map((taint) =>
      taint.key === EVICTED_TAINT ? { ...taint, effect: 'NoSchedule' as const } : taint,
    );
    return { ...node, spec: { ...node.spec, taints } };
  }),
});

/** The nodes whose soft taint goes: no plan drains them, and the cooldown after the last that did is over. */
export const nodesToUntaint = (
  nodes: readonly Node[],
  claimOf: (node: Node) => NodeClaim | undefined,
  drained: ReadonlySet<string>,
): readonly Node[] =>
  nodes.filter(
    (node) =>
      hasEvictedTaint(node) &&
      node.metadata.annotations?.[CORDONED_BY] === undefined &&
      !drained.has(claimOf(node)?.metadata.name ?? ''),
  );
