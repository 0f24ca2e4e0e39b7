import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { EvictionRules } from '../../../planner/cluster/evictionblocker.ts';
import { hasLocalVolume, type Volumes, volumesOf } from '../../../planner/scheduling/volumes.ts';
import type { Caches } from '../../caches.ts';

/**
 * The planner's rules for the pods of a plan, with the plan's own aggressive mode. PodDisruptionBudgets are left to the
 * Eviction API: what they allow changes from one eviction to the next.
 */
export const evictionRulesOf = (
  caches: Pick<Caches, 'persistentVolumeClaims' | 'persistentVolumes' | 'storageClasses' | 'csiNodes'>,
  plan: RebalancePlan,
  now: number,
  schedulers: readonly string[] | undefined,
): EvictionRules => {
  let volumes: Volumes | undefined;
  const read = (): Volumes =>
    volumesOf({
      persistentVolumeClaims: [...caches.persistentVolumeClaims.list()],
      persistentVolumes: [...caches.persistentVolumes.list()],
      storageClasses: [...caches.storageClasses.list()],
      csiNodes: [...caches.csiNodes.list()],
    });
  return {
    budgets: [],
    mode: { ...plan.spec.aggressiveMode, ignoreBlockingPDB: true },
    now,
    hasLocalVolume: (pod) => {
      if (!pod.spec.volumes?.some((v) => v.persistentVolumeClaim ?? v.ephemeral)) return false;
      volumes ??= read();
      return hasLocalVolume(pod, volumes);
    },
    willSurge: () => false,
    ...(schedulers && { schedulers }),
  };
};
