import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { namespaceOf } from '../scheduling/interpodaffinity.ts';

/** How much may be lost with one node, in percent of the pods; at least one pod is always allowed. */
export interface BlastRadius {
  readonly workloadPercent?: number;
  readonly clusterPercent?: number;
}

const capOf = (pods: number, percent: number): number => Math.max(1, Math.floor((pods * percent) / 100));

/** The workload that a pod counts for, or null for a pod of none. */
export const workloadOf = (pod: Pod): string | null => {
  const owner = controllerOf(pod);
  return owner ? `${namespaceOf(pod)}/${owner.kind}/${owner.name}` : null;
};

/** How many pods of each workload one node may hold; empty without such a limit. */
export const workloadCaps = (
  pods: readonly Pod[],
  radius: BlastRadius | undefined,
): ReadonlyMap<string, number> => {
  const percent = radius?.workloadPercent;
  if (percent === undefined) return new Map();
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const workload = workloadOf(pod);
    if (workload !== null && controllerOf(pod)?.kind !== 'DaemonSet') {
      counts.set(workload, (counts.get(workload) ?? 0) + 1);
    }
  }
  return new Map([...counts].map(([workload, n]) => [workload, capOf(n, percent)]));
};

/** How many pods one node may hold in all; Infinity without such a limit. */
export const clusterCap = (pods: number, radius: BlastRadius | undefined): number =>
  radius?.clusterPercent === undefined ? Number.POSITIVE_INFINITY : capOf(pods, radius.clusterPercent);
