import type { EvictAs, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Pod, PodDisruptionBudget } from '../../../api/objects.ts';
import { controllerOf, haveSameController, isLive, isPodReady, podName } from '../../../api/pods.ts';
import { severalBudgetsBlocker } from '../../../planner/cluster/evictionapi.ts';
import type { EvictionRules } from '../../../planner/cluster/evictionblocker.ts';
import { namespaceOf } from '../../../planner/scheduling/interpodaffinity.ts';
import { hasLocalVolume, type Volumes, volumesOf } from '../../../planner/scheduling/volumes.ts';
import type { Caches } from '../../caches.ts';

const evictAsOf = ({ spec }: RebalancePlan): ReadonlyMap<string, EvictAs> =>
  new Map(
    (spec.podsToMigrate ?? []).flatMap(({ namespace, name, evictAs }) =>
      evictAs ? [[`${namespace}/${name}`, evictAs] as const] : [],
    ),
  );

/** Whether the other pod does the pod's work while it moves: of the same controller, ready, and on another node. */
export const isPartner = (pod: Pod, other: Pod): boolean =>
  haveSameController(pod, other) &&
  isLive(other) &&
  isPodReady(other) &&
  other.spec.nodeName !== pod.spec.nodeName;

/** The partners of a pod, as the cache has them; none without a controller. */
export const partnersOf = (pod: Pod, pods: Pick<Caches['pods'], 'by'>): readonly Pod[] =>
  pods.by('owner', controllerOf(pod)?.uid ?? '').filter((other) => isPartner(pod, other));

/** The planner's rules for the pods of a plan, and the partners that a pod needs where only replicated ones may go. */
export interface PlanRules extends EvictionRules {
  readonly partnersOf?: (pod: Pod) => readonly Pod[];
}

type VolumeCaches = Pick<
  Caches,
  'persistentVolumeClaims' | 'persistentVolumes' | 'storageClasses' | 'csiNodes'
>;

/** Pods with several PodDisruptionBudgets, which the Eviction API never evicts. */
const neverEvicted = ({
  podDisruptionBudgets,
}: Pick<Caches, 'podDisruptionBudgets'>): NonNullable<EvictionRules['neverEvicted']> => {
  let byNamespace: ReadonlyMap<string, readonly PodDisruptionBudget[]> | undefined;
  return (pod) => {
    byNamespace ??= Map.groupBy(
      podDisruptionBudgets.list(),
      ({ metadata }) => metadata.namespace ?? 'default',
    );
    return severalBudgetsBlocker(pod, byNamespace.get(namespaceOf(pod)) ?? []);
  };
};

/**
 * The planner's rules for the pods of a plan, with the plan's own aggressive mode. What a PodDisruptionBudget allows is left to
 * the Eviction API, since it changes from one eviction to the next.
 */
export const evictionRulesOf = (
  caches: VolumeCaches & Pick<Caches, 'pods' | 'podDisruptionBudgets'>,
  plan: RebalancePlan,
  now: number,
  schedulers: readonly string[] | undefined,
): PlanRules => {
  const partners = (pod: Pod): readonly Pod[] => partnersOf(pod, caches.pods);
  let evictAs: ReadonlyMap<string, EvictAs> | undefined;
  return {
    ...rulesOf(caches, { ...plan.spec.aggressiveMode, ignoreBlockingPDB: true }, now, schedulers),
    ...(!plan.spec.aggressiveMode?.ignoreBlockingPDB && { neverEvicted: neverEvicted(caches) }),
    evictAs: (pod) => {
      evictAs ??= evictAsOf(plan);
      return evictAs.get(podName(pod));
    },
    ...(plan.spec.eviction?.onlyReplicated && {
      isAlone: (pod: Pod) => partners(pod).length === 0,
      partnersOf: partners,
    }),
  };
};

/** The planner's rules for pods, without PodDisruptionBudgets; volumes are looked at for pods that have some. */
export const rulesOf = (
  caches: VolumeCaches,
  mode: EvictionRules['mode'],
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
    mode,
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
