import type { DaemonSet, Pod, Taint } from '../../api/objects.ts';
import { type Labels, matchesNodeAffinity } from './nodeaffinity.ts';
import { podRequests, type Requests } from './noderesources.ts';
import { untoleratedTaint } from './tainttoleration.ts';

const podOf = (set: DaemonSet): Pod => ({
  metadata: {
    name: set.metadata.name,
    namespace: set.metadata.namespace ?? 'default',
    labels: set.spec.template.metadata?.labels ?? {},
  },
  spec: set.spec.template.spec,
});

/** Taints that the DaemonSet controller adds tolerations for. */
const ALWAYS_TOLERATED = new Set([
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/disk-pressure',
  'node.kubernetes.io/memory-pressure',
  'node.kubernetes.io/pid-pressure',
  'node.kubernetes.io/unschedulable',
]);

/** The DaemonSets that run a pod on a node with these labels and taints. */
export const daemonSetsOn = (
  daemonSets: readonly DaemonSet[],
  labels: Labels,
  taints: readonly Taint[],
): DaemonSet[] =>
  daemonSets.filter((set) => {
    const pod = podOf(set);
    const relevant = taints.filter((taint) => !ALWAYS_TOLERATED.has(taint.key));
    return (
      matchesNodeAffinity(pod, labels, '') && untoleratedTaint(relevant, pod.spec.tolerations) === undefined
    );
  });

/** The sum of the DaemonSets' requests on one node. Throws a QuantityError. */
export const daemonRequests = (daemonSets: readonly DaemonSet[]): Requests => {
  const total: Requests = new Map();
  for (const set of daemonSets) {
    for (const [resource, value] of podRequests(podOf(set))) {
      total.set(resource, (total.get(resource) ?? 0) + value);
    }
  }
  return total;
};
