import type { Pod } from '../../api/objects.ts';
import { isAffinityMet, type NamespaceLabels, refuseByAntiAffinity } from './interpodaffinity.ts';
import { matchesNodeAffinity } from './nodeaffinity.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { conflicts, hostPorts } from './nodeports.ts';
import { podRequests } from './noderesources.ts';
import { claimedDevices } from './resourceclaims.ts';
import { untoleratedTaint } from './tainttoleration.ts';
import { refuseBySpread } from './topologyspread.ts';
import { refuseByVolumes, type Volumes } from './volumes.ts';

export { memoizeRequests, type NodeInfo, nodeInfoOf, type ReadRequests } from './nodeinfo.ts';

/** Why a pod can't be on a node: the plugin of kube-scheduler and its message. */
export interface Refusal {
  readonly code:
    | 'NodeUnschedulable'
    | 'NodeName'
    | 'TaintToleration'
    | 'NodeAffinity'
    | 'Volumes'
    | 'NodePorts'
    | 'NodeResourcesFit'
    | 'DynamicResources'
    | 'PodTopologySpread'
    | 'InterPodAffinity';
  readonly message: string;
}

/** The whole cluster, for rules that look past one node. */
export interface ClusterView {
  readonly nodes: readonly NodeInfo[];
  readonly namespaces: NamespaceLabels;
  /** When left out, volumes are not checked. */
  readonly volumes?: Volumes;
}

const NO_NAMESPACES: NamespaceLabels = new Map();

const refusalOf = (code: Refusal['code'], message: string): Refusal => ({ code, message });

const UNSCHEDULABLE = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

const refuseByResources = (pod: Pod, node: NodeInfo): Refusal | undefined => {
  const requests = podRequests(pod);
  if ((node.free.get('pods') ?? 0) < 1) return refusalOf('NodeResourcesFit', 'Too many pods');
  for (const [resource, requested] of requests) {
    if (resource === 'pods' || requested <= 0) continue;
    if (requested > (node.free.get(resource) ?? 0))
      return refusalOf('NodeResourcesFit', `Insufficient ${resource}`);
  }
  return undefined;
};

const refuseByClaims = (pod: Pod): Refusal | undefined => {
  const devices = claimedDevices(pod);
  return devices === undefined
    ? undefined
    : refusalOf(
        'DynamicResources',
        `it has ${devices}, and only kube-scheduler knows where such devices are free`,
      );
};

const refuseByPorts = (pod: Pod, node: NodeInfo): Refusal | undefined => {
  const ports = hostPorts(pod);
  if (ports.length === 0) return undefined;
  const used = node.pods.flatMap(hostPorts);
  return ports.some((port) => used.some((other) => conflicts(port, other)))
    ? refusalOf('NodePorts', "node(s) didn't have free ports for the requested pod ports")
    : undefined;
};

const refuseByPods = (pod: Pod, node: NodeInfo, cluster: ClusterView | undefined): Refusal | undefined => {
  const namespaces = cluster?.namespaces ?? NO_NAMESPACES;
  if (cluster) {
    const spread = refuseBySpread(pod, node, cluster.nodes);
    if (spread) {
      const label = spread === 'label' ? ' (missing required label)' : '';
      return refusalOf('PodTopologySpread', `node(s) didn't match pod topology spread constraints${label}`);
    }
    if (!isAffinityMet(pod, node, cluster.nodes, namespaces)) {
      return refusalOf('InterPodAffinity', "node(s) didn't match pod affinity rules");
    }
  }
  for (const other of cluster?.nodes ?? [node]) {
    const refused = refuseByAntiAffinity(pod, node, other, namespaces);
    if (refused === 'own')
      return refusalOf('InterPodAffinity', "node(s) didn't match pod anti-affinity rules");
    if (refused === 'existing') {
      return refusalOf('InterPodAffinity', "node(s) didn't satisfy existing pods anti-affinity rules");
    }
  }
  return undefined;
};

/**
 * The first reason of kube-scheduler's filters to keep a pod off a node; undefined when it fits, throws a
 * QuantityError. Without `cluster`, whose nodes include this one, affinity, spread, volumes and devices of resource
 * claims are not checked.
 */
export const fits = (pod: Pod, node: NodeInfo, cluster?: ClusterView): Refusal | undefined => {
  if (node.unschedulable && untoleratedTaint([UNSCHEDULABLE], pod.spec.tolerations)) {
    return refusalOf('NodeUnschedulable', 'node(s) were unschedulable');
  }
  if (pod.spec.nodeName && pod.spec.nodeName !== node.name) {
    return refusalOf('NodeName', "node(s) didn't match the requested node name");
  }
  if (untoleratedTaint(node.taints, pod.spec.tolerations)) {
    return refusalOf('TaintToleration', 'node(s) had untolerated taint(s)');
  }
  if (!matchesNodeAffinity(pod, node.labels, node.name, node.unknownLabels)) {
    return refusalOf('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
  }
  const volumes = cluster?.volumes && refuseByVolumes(pod, node, cluster.volumes, cluster.nodes);
  return (
    refuseByPorts(pod, node) ??
    refuseByResources(pod, node) ??
    (volumes ? refusalOf('Volumes', volumes) : undefined) ??
    (cluster && refuseByClaims(pod)) ??
    refuseByPods(pod, node, cluster)
  );
};
