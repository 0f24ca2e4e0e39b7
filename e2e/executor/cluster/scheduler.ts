import type { Node, Pod, Taint } from '../../../api/objects.ts';
import { isTerminating } from '../../../api/pods.ts';
import { type Cluster, cpuRequested } from './cluster.ts';

/** kube-scheduler. It does not read the Ready condition: the taints of the node lifecycle controller stand for it. */

const isTolerated = (taint: Taint, pod: Pod): boolean =>
  taint.effect === 'PreferNoSchedule' ||
  (pod.spec.tolerations ?? []).some(
    (t) =>
      (t.effect === undefined || t.effect === taint.effect) &&
      (t.key === undefined ? t.operator === 'Exists' : t.key === taint.key) &&
      (t.operator === 'Exists' || (t.value ?? '') === (taint.value ?? '')),
  );

/** Why a pod may not be on a node, but for its room; undefined when it may. */
export const ruledOut = (
  pod: Pod,
  node: Node,
  without: ReadonlySet<string> = new Set(),
): string | undefined => {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (node.metadata.labels?.[key] !== value) return `its node selector asks for ${key}=${value}`;
  }
  const taint = (node.spec?.taints ?? []).find((t) => !without.has(t.key) && !isTolerated(t, pod));
  return taint && `it does not tolerate the taint ${taint.key}`;
};

const accepts = (cluster: Cluster, node: Node, pod: Pod): boolean =>
  !node.spec?.unschedulable &&
  !node.metadata.deletionTimestamp &&
  ruledOut(pod, node) === undefined &&
  cluster.freeCpu(node) >= cpuRequested(pod);

/** A nomination is a hint that a failed attempt takes away. */
const forgetNomination = (cluster: Cluster, pod: Pod): void => {
  if (!pod.status?.nominatedNodeName) return;
  cluster.editPod(pod, (p) => {
    const { nominatedNodeName: _, ...status } = p.status ?? {};
    return { ...p, status };
  });
};

export const scheduler = (cluster: Cluster): void => {
  for (const pod of cluster.api.pods()) {
    if (pod.spec.nodeName || isTerminating(pod) || pod.spec.schedulingGates?.length) continue;
    if (!cluster.isDue(`schedule ${pod.metadata.uid}`, 0, 1_500)) continue;
    const nodes = cluster.api.nodes().filter((node) => accepts(cluster, node, pod));
    const node = nodes[cluster.simulation.dice.below(nodes.length)];
    if (!node) {
      forgetNomination(cluster, pod);
      continue;
    }
    cluster.api.bind(
      { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' },
      node.metadata.name,
    );
    cluster.tell(`kube-scheduler binds pod ${pod.metadata.name} to node ${node.metadata.name}`);
  }
};
