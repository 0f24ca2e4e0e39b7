import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { NOT_READY } from '../../api/labels.ts';
import { healthOf } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { destinationOf, givesSlotsOn, isUnderWay } from '../../api/plans.ts';
import {
  controllerKey,
  controllerOf,
  foreignSchedulerOf,
  isAwaitingPlan,
  isTerminating,
  isUnschedulable,
} from '../../api/pods.ts';
import { requiredAffinity } from '../../planner/scheduling/interpodaffinity.ts';
import { claimedDevices } from '../../planner/scheduling/resourceclaims.ts';
import { untoleratedTaint } from '../../planner/scheduling/tainttoleration.ts';
import { requiredSpread } from '../../planner/scheduling/topologyspread.ts';
import { hasBeenReadyFor, type Machine } from './machines.ts';

// Kubernetes puts this taint on nodes that are not ready; a pod that does not tolerate it could not wait there.
const NOT_READY_TAINT = { key: NOT_READY, effect: 'NoExecute' } as const;

/** True for a pod that Karpenter may have ordered a machine for, and that may be pinned to it. */
export const isAttributable = (pod: Pod, schedulers?: readonly string[]): boolean => {
  if (pod.spec.nodeName || pod.metadata.deletionTimestamp || !isUnschedulable(pod)) return false;
  const kind = controllerOf(pod)?.kind;
  if (kind === 'DaemonSet' || kind === 'Node') return false;
  // Other schedulers, and groups that are placed as a whole, make their own decisions.
  if (foreignSchedulerOf(pod, schedulers) || pod.spec.schedulingGroup) return false;
  return !untoleratedTaint([NOT_READY_TAINT], pod.spec.tolerations);
};

/** True for a pod whose place depends neither on other pods nor on devices of claims. All others count only as part of a machine's requests. */
export const isPinnable = (pod: Pod): boolean =>
  requiredSpread(pod).length === 0 && requiredAffinity(pod).length === 0 && claimedDevices(pod) === undefined;

/** A predicate: true for a pod that a running plan moves, by its name or, once it gives slots, by its owner. */
export const movedByPlans = (plans: readonly RebalancePlan[]): ((pod: Pod) => boolean) => {
  const owners = new Set<string>();
  const pods = new Set<string>();
  for (const plan of plans.filter((p) => isUnderWay(p) && !p.metadata.deletionTimestamp)) {
    for (const move of plan.spec.podsToMigrate ?? []) {
      const { namespace, name, owner } = move;
      pods.add(`${namespace}/${name}`);
      if (owner && givesSlotsOn(plan, destinationOf(move))) owners.add(controllerKey(owner, namespace));
    }
  }
  return (pod) => {
    const owner = controllerOf(pod);
    if (pods.has(`${pod.metadata.namespace}/${pod.metadata.name}`)) return true;
    return owner !== undefined && owners.has(controllerKey(owner, pod.metadata.namespace ?? ''));
  };
};

/** The state that nominations of pending pods are checked against. `now` and `holdMs` in milliseconds. */
export interface Nominations {
  readonly machines: readonly Machine[];
  readonly hasClaim: (name: string) => boolean;
  readonly node: (name: string) => Node | undefined;
  readonly podsOn: (nodeName: string) => readonly Pod[];
  readonly now: number;
  readonly holdMs: number;
}

/**
 * The reason why the pod's nominatedNodeName is stale; undefined when it isn't. Karpenter provisions nothing for a
 * nominated pod, so a stale nomination would keep it pending for ever.
 */
export const staleNominationReason = (pod: Pod, n: Nominations): string | undefined => {
  const name = pod.status?.nominatedNodeName ?? '';
  if (name === '' || isAwaitingPlan(pod) || pod.spec.nodeName || pod.metadata.deletionTimestamp)
    return undefined;
  const node = n.node(name);
  if (!node) {
    const isAwaited = n.hasClaim(name) || n.machines.some((machine) => machine.nodeName === name);
    return isAwaited ? undefined : 'its node does not exist';
  }
  const health = healthOf(node);
  if (health.kind === 'sick') return health.reason;
  if (!isUnschedulable(pod) || !hasBeenReadyFor(node, n.now, n.holdMs)) return undefined;
  // A pod nominated by preemption waits for its victims to terminate.
  if (n.podsOn(name).some(isTerminating)) return undefined;
  return 'its node is ready and did not take it';
};
