import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../../api/objects.ts';
import { isDrainable } from '../../../api/pods.ts';
import type { World } from '../state/state.ts';
import { reachedAt } from '../state/status.ts';

/**
 * Pods that the plan moves off nodes that stay: no drain takes them along, and what they leave is room that others of
 * the plan go to. Those that may only be migrated live stay.
 */
export const straysOf = (
  plan: RebalancePlan,
  o: {
    readonly podOf: (key: string) => Pod | undefined;
    /** Names of the nodes that the plan empties. */
    readonly leaving: ReadonlySet<string>;
  },
): readonly Pod[] =>
  (plan.spec.podsToMigrate ?? []).flatMap(({ namespace, name, srcNode, policy }) => {
    if (!srcNode || o.leaving.has(srcNode) || policy === 'Mandatory') return [];
    const pod = o.podOf(`${namespace}/${name}`);
    return pod?.spec.nodeName === srcNode && isDrainable(pod) ? [pod] : [];
  });

/**
 * Those that are still to go. They have as long as a node has to become empty; then the plan goes on without them. A pod
 * of the same name that came since is another one, and where it is no wish of the plan's brought it back.
 */
export const straysLeft = (world: World): readonly Pod[] => {
  const since = reachedAt(world.plan, 'PinsReady') ?? world.now;
  if (world.now - since > world.limits.drainTimeoutMs) return [];
  return world.strays.filter(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') < since);
};
