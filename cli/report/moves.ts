import type { Pod } from '../../api/objects.ts';
import { isLive, podName } from '../../api/pods.ts';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import { createSurgeCheck } from '../../planner/cluster/evictionblocker.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { secondsToStart, secondsToStop } from './durations.ts';
import { type Risk, risksOf, severityOf } from './risks.ts';
import { createWorkloadOf, type Workload, workloadName } from './workload.ts';

/** What a plan does to one workload. Absent values are null. */
export interface WorkloadMove extends Workload {
  /** Pods that change nodes. */
  readonly pods: number;
  /** Pods that the workload has, waiting ones included. */
  readonly podsInAll: number;
  readonly risks: readonly Risk[];
  /** Seconds that a pod may take to stop, at most. */
  readonly stopSeconds: number;
  /** Seconds that its pods took to become ready; null where nothing tells. */
  readonly startSeconds: number | null;
}

/** The moves of a plan by workload: those with the worst risk first, then those with most pods. */
export const movesOf = (
  cluster: Cluster,
  { plan }: Pick<RebalanceResult, 'plan'>,
): readonly WorkloadMove[] => {
  const moves = new Set(
    (plan?.spec.podsToMigrate ?? []).map(({ namespace, name }) => `${namespace}/${name}`),
  );
  if (moves.size === 0) return [];
  const { replicaSets, pods } = cluster.snapshot;
  const workloadOf = createWorkloadOf(replicaSets);
  const willSurge = createSurgeCheck(replicaSets, false);
  const found = new Map<string, { workload: Workload; all: Pod[]; moving: Pod[] }>();
  // A plan keeps room for successors of terminating pods, too.
  for (const pod of pods.filter((each) => isLive(each) || moves.has(podName(each)))) {
    const workload = workloadOf(pod);
    const key = workloadName(workload);
    const group = found.get(key) ?? { workload, all: [], moving: [] };
    found.set(key, group);
    group.all.push(pod);
    if (moves.has(podName(pod))) group.moving.push(pod);
  }
  return [...found.values()]
    .filter(({ moving }) => moving.length > 0)
    .map(({ workload, all, moving }) => ({
      ...workload,
      pods: moving.length,
      podsInAll: all.length,
      risks: risksOf({ all, moving, willSurge }, cluster),
      stopSeconds: Math.max(...moving.map(secondsToStop)),
      startSeconds: secondsToStart(all) ?? null,
    }))
    .sort(
      (a, b) =>
        severityOf(b.risks) - severityOf(a.risks) ||
        b.pods - a.pods ||
        (workloadName(a) < workloadName(b) ? -1 : 1),
    );
};
