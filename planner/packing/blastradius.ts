import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { namespaceOf } from '../scheduling/interpodaffinity.ts';

/** How many pods may be lost with one node, in percent; at least one pod is always allowed. */
export interface BlastRadius {
  /** Of the pods of each workload. */
  readonly workloadPercent?: number;
  /** Of all pods of the cluster. */
  readonly clusterPercent?: number;
}

const capOf = (pods: number, percent: number): number => Math.max(1, Math.floor((pods * percent) / 100));

/** The workload that a pod belongs to; undefined for a pod without controller. */
export const workloadOf = (pod: Pod): string | undefined => {
  const owner = controllerOf(pod);
  return owner && `${namespaceOf(pod)}/${owner.kind}/${owner.name}`;
};

/** The most pods of each workload that one node may hold; empty without such a limit. */
export const workloadCaps = (
  pods: readonly Pod[],
  radius: BlastRadius | undefined,
): ReadonlyMap<string, number> => {
  const percent = radius?.workloadPercent;
  if (percent === undefined) return new Map();
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const workload = workloadOf(pod);
    if (workload !== undefined && controllerOf(pod)?.kind !== 'DaemonSet') {
      counts.set(workload, (counts.get(workload) ?? 0) + 1);
    }
  }
  return new Map([...counts].map(([workload, n]) => [workload, capOf(n, percent)]));
};

/** The most pods in all that one node may hold; Infinity without such a limit. */
export const clusterCap = (pods: number, radius: BlastRadius | undefined): number =>
  radius?.clusterPercent === undefined ? Number.POSITIVE_INFINITY : capOf(pods, radius.clusterPercent);
