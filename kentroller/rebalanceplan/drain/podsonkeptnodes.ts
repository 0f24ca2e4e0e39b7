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

/**
 * Pods on kept nodes that are still to be evicted: none after the drain timeout, when the plan goes on without them. A
 * pod created since then has the name of the planned one, and stays.
 */
export const pendingPodsOnKeptNodes = ({
  plan,
  podsOnKeptNodes,
  now,
  limits,
}: Pick<ExecutionState, 'plan' | 'podsOnKeptNodes' | 'now' | 'limits'>): readonly Pod[] => {
  const since = reachedAt(plan, 'PinsReady') ?? now;
  if (now - since > limits.drainTimeoutMs) return [];
  return podsOnKeptNodes.filter(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') < since);
};
