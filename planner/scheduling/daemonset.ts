import type { DaemonSet, Pod, Taint } from '../../api/objects.ts';
import { isLive, isOfDaemonSet } from '../../api/pods.ts';
import { isPodOf } from './daemonpods.ts';
import { type Labels, matchesNodeAffinity } from './nodeaffinity.ts';
import { podRequests, type Requests } from './noderesources.ts';
import { untoleratedTaint } from './tainttoleration.ts';

/** A pod of the set, without a node. */
export const daemonPodOf = (set: DaemonSet): Pod => ({
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

/** The DaemonSets that run a pod on a node with these labels and taints, and with this name where it has one. */
export const daemonSetsOn = (
  daemonSets: readonly DaemonSet[],
  labels: Labels,
  taints: readonly Taint[],
  name = '',
): DaemonSet[] =>
  daemonSets.filter((set) => {
    const pod = daemonPodOf(set);
    const relevant = taints.filter((taint) => !ALWAYS_TOLERATED.has(taint.key));
    return (
      matchesNodeAffinity(pod, labels, name) && untoleratedTaint(relevant, pod.spec.tolerations) === undefined
    );
  });

/** The sum of the DaemonSets' requests on one node. Throws a QuantityError. */
export const daemonRequests = (daemonSets: readonly DaemonSet[]): Requests => {
  const total: Requests = new Map();
  for (const set of daemonSets) {
    for (const [resource, value] of podRequests(daemonPodOf(set))) {
      total.set(resource, (total.get(resource) ?? 0) + value);
    }
  }
  return total;
};

/** The node that a pod of a DaemonSet was made for. */
const nodeNameOf = ({ spec }: Pod): string | undefined => {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const fields = required?.nodeSelectorTerms[0]?.matchFields ?? [];
  return spec.nodeName ?? fields.find(({ key }) => key === 'metadata.name')?.values?.[0];
};

/**
 * The DaemonSets that a node waits for: they run a pod there and none is bound yet, or one more waits to be bound, as in
 * a rolling update that surges. `pending` are the pods of all DaemonSets that have no node.
 */
export const missingDaemonSets = (
  daemonSets: readonly DaemonSet[],
  node: {
    readonly name: string;
    readonly labels: Labels;
    readonly taints: readonly Taint[];
    readonly pods: readonly Pod[];
  },
  pending: readonly Pod[],
): readonly DaemonSet[] => {
  const bound = node.pods.filter((pod) => isLive(pod) && isOfDaemonSet(pod));
  const waiting = pending.filter((pod) => isLive(pod) && nodeNameOf(pod) === node.name);
  const isDue = (set: DaemonSet): boolean =>
    set.metadata.deletionTimestamp === undefined &&
    (!bound.some((pod) => isPodOf(pod, set)) || waiting.some((pod) => isPodOf(pod, set)));
  return daemonSetsOn(daemonSets.filter(isDue), node.labels, node.taints, node.name);
};
