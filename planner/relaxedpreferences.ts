import type { Pod } from '../api/objects.ts';
import { podName } from '../api/pods.ts';
import { type Cluster, selectedLabelValues } from './cluster/clusterview.ts';
import { launchOptionsOf } from './packing/launch/launchoption.ts';
import { itemAt } from './packing/matrix.ts';
import { preferWhileWaiting } from './scheduling/preferences.ts';

/** Which preferences an attempt leaves aside. */
export interface Relaxed {
  /** Of these pods ('namespace/name') all of them. */
  readonly pods: ReadonlySet<string>;
  /** Of every pod those about other pods. */
  readonly aboutPods: boolean;
}

/** Turns the pods' preferences into requirements. `originals` has the pods that changed as they were. */
export const withPreferences = (
  pods: readonly Pod[],
  cluster: Cluster,
  { pods: relaxed, aboutPods }: Relaxed,
): { readonly waiting: readonly Pod[]; readonly originals: ReadonlyMap<Pod, Pod> } => {
  const places = [
    ...cluster.views,
    ...launchOptionsOf(cluster.snapshot.nodePools, cluster.supply, selectedLabelValues(pods)).map(
      ({ labels }) => ({ labels, name: '' }),
    ),
  ];
  const demanding = preferWhileWaiting(pods, places, !aboutPods);
  const originals = new Map<Pod, Pod>();
  const waiting = pods.map((pod, index) => {
    const demands = itemAt(demanding, index);
    if (relaxed.has(podName(pod)) || demands === pod) return pod;
    originals.set(demands, pod);
    return demands;
  });
  return { waiting, originals };
};
