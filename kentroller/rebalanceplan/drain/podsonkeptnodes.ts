import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../../api/objects.ts';
import { isDrainable } from '../../../api/pods.ts';
import type { ExecutionState } from '../state/state.ts';
import { reachedAt } from '../state/status.ts';

/**
 * Pods that the plan moves off nodes that stay: no drain evicts them, and other pods of the plan need their room. A pod
 * that may only be migrated live stays where it is.
 */
export const podsOnKeptNodesOf = (
  plan: RebalancePlan,
  o: {
    readonly podOf: (key: string) => Pod | undefined;
    /** Names of the nodes that the plan removes. */
    readonly removedNodes: ReadonlySet<string>;
  },
): readonly Pod[] =>
  (plan.spec.podsToMigrate ?? []).flatMap(({ namespace, name, srcNode, policy }) => {
    if (!srcNode || o.removedNodes.has(srcNode) || policy === 'Mandatory') return [];
    const pod = o.podOf(`${namespace}/${name}`);
    return pod?.spec.nodeName === srcNode && isDrainable(pod) ? [pod] : [];
  });

type WaitingState = Pick<ExecutionState, 'plan' | 'podsOnKeptNodes' | 'now' | 'limits'>;

const sinceOf = ({ plan, now }: WaitingState): number => reachedAt(plan, 'PinsReady') ?? now;

/** Pods on kept nodes that the plan meant: one created since the deletion phase began has the name of such a pod, and stays. */
export const plannedPodsOnKeptNodes = (state: WaitingState): readonly Pod[] => {
  const since = sinceOf(state);
  return state.podsOnKeptNodes.filter(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') < since);
};

/** Those that are still to be evicted: none after the drain timeout, when the plan goes on without them. */
export const pendingPodsOnKeptNodes = (state: WaitingState): readonly Pod[] =>
  state.now - sinceOf(state) > state.limits.drainTimeoutMs ? [] : plannedPodsOnKeptNodes(state);
