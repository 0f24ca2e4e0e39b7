import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { NOT_READY } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { isUnderWay } from '../../api/plans.ts';
import { controllerOf } from '../../api/pods.ts';
import { requiredAffinity } from '../../planner/scheduling/interpodaffinity.ts';
import { untoleratedTaint } from '../../planner/scheduling/tainttoleration.ts';
import { requiredSpread } from '../../planner/scheduling/topologyspread.ts';
import { hasBeenReadyFor, type Machine } from './machines.ts';

const DEFAULT_SCHEDULER = 'default-scheduler';

/** Whether kube-scheduler looked for a node in vain: what Karpenter buys for. */
export const isUnschedulable = (pod: Pod): boolean =>
  pod.status?.conditions?.some(
    (c) => c.type === 'PodScheduled' && c.status === 'False' && c.reason === 'Unschedulable',
  ) ?? false;

// Kubernetes puts the taint on nodes that are not ready; a pod that does not bear it for a while could not wait there.
const CLOSED = { key: NOT_READY, effect: 'NoExecute' } as const;

/** Whether Karpenter may have bought a machine for the pod, and it may be told which. */
export const isFollowable = (pod: Pod): boolean => {
  if (pod.spec.nodeName || pod.metadata.deletionTimestamp || !isUnschedulable(pod)) return false;
  const kind = controllerOf(pod)?.kind;
  if (kind === 'DaemonSet' || kind === 'Node') return false;
  // A scheduler that places groups as a whole knows better than we do.
  if ((pod.spec.schedulerName || DEFAULT_SCHEDULER) !== DEFAULT_SCHEDULER || pod.spec.schedulingGroup)
    return false;
  return untoleratedTaint([CLOSED], pod.spec.tolerations) === null;
};

/** Whether its place can be judged without the rest of the cluster; else it only counts as part of what was bought. */
export const isPinnable = (pod: Pod): boolean =>
  requiredSpread(pod).length === 0 && requiredAffinity(pod).length === 0;

/** Whether a plan that runs has a say in where the pod goes. */
export const movedByPlans = (plans: readonly RebalancePlan[]): ((pod: Pod) => boolean) => {
  const owners = new Set<string>();
  const pods = new Set<string>();
  for (const plan of plans.filter((p) => isUnderWay(p) && !p.metadata.deletionTimestamp)) {
    for (const { namespace, name, owner } of plan.spec.podsToMigrate ?? []) {
      pods.add(`${namespace}/${name}`);
      if (owner) owners.add(owner.uid);
    }
  }
  return (pod) =>
    pods.has(`${pod.metadata.namespace}/${pod.metadata.name}`) || owners.has(controllerOf(pod)?.uid ?? '');
};

/** What the nominations of pending pods are held against. */
export interface Nominations {
  readonly machines: readonly Machine[];
  readonly hasClaim: (name: string) => boolean;
  readonly node: (name: string) => Node | undefined;
  readonly podsOn: (nodeName: string) => readonly Pod[];
  readonly now: number;
  readonly holdMs: number;
}

/**
 * Why the pod's nominatedNodeName stands in its way, or null. Karpenter buys nothing for a nominated pod, so a
 * nomination to what is no more, or to a ready node that did not take the pod, would keep it pending for ever.
 */
export const staleNominationReason = (pod: Pod, n: Nominations): string | null => {
  const name = pod.status?.nominatedNodeName ?? '';
  if (name === '' || pod.spec.nodeName || pod.metadata.deletionTimestamp) return null;
  const node = n.node(name);
  if (!node) {
    const isAwaited = n.hasClaim(name) || n.machines.some((machine) => machine.nodeName === name);
    return isAwaited ? null : 'its node is no more';
  }
  if (node.metadata.deletionTimestamp) return 'its node is being deleted';
  if (!isUnschedulable(pod) || !hasBeenReadyFor(node, n.now, n.holdMs)) return null;
  // Who was nominated by preemption waits for pods to end.
  if (n.podsOn(name).some((there) => there.metadata.deletionTimestamp)) return null;
  return 'its node is ready and did not take it';
};
