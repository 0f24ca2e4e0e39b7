import type { DaemonSet, Pod } from '../../../api/objects.ts';
import { daemonPodOf, daemonSetsOn } from '../../scheduling/daemonset.ts';
import {
  type NamespaceLabels,
  refuseByAntiAffinity,
  requiredAntiAffinity,
} from '../../scheduling/interpodaffinity.ts';
import type { NodeInfo } from '../../scheduling/nodeinfo.ts';
import { conflicts, hostPorts } from '../../scheduling/nodeports.ts';
import type { BitMatrix } from '../matrix.ts';
import type { NodeClass } from '../nodeclass.ts';
import type { PodClass } from '../podclass.ts';

const nameOf = ({ metadata }: Pod): string => `DaemonSet ${metadata.namespace ?? 'default'}/${metadata.name}`;

/** Why a pod can't be on a node beside a DaemonSet's pod; undefined when it can. */
const conflictOf = (
  pod: Pod,
  daemon: Pod,
  node: NodeInfo,
  namespaces: NamespaceLabels,
): string | undefined => {
  const taken = hostPorts(daemon);
  const port = hostPorts(pod).find((own) => taken.some((other) => conflicts(own, other)));
  if (port) return `${nameOf(daemon)} takes its host port ${port.port} on every node that it may use`;
  const beside = { ...node, pods: [daemon] };
  return refuseByAntiAffinity(pod, node, beside, namespaces) === undefined
    ? undefined
    : `anti-affinity keeps it off every node that it may use, where pods of ${nameOf(daemon)} run`;
};

/**
 * Forbids pod classes the node classes whose DaemonSets they can't be beside. Gives, per pod class that lost one, the
 * reason.
 */
export const forbidBesideDaemons = (
  allowed: BitMatrix,
  o: {
    readonly podClasses: readonly PodClass[];
    readonly nodeClasses: readonly NodeClass[];
    readonly daemonSets: readonly DaemonSet[];
    readonly namespaces: NamespaceLabels;
  },
): ReadonlyMap<number, string> => {
  const reasons = new Map<number, string>();
  const daemons = o.daemonSets.map(daemonPodOf);
  const repels = daemons.some((pod) => requiredAntiAffinity(pod).length > 0);
  const isConcerned = ({ pod }: PodClass): boolean =>
    repels || hostPorts(pod).length > 0 || requiredAntiAffinity(pod).length > 0;
  const concerned = o.podClasses.flatMap((each, podClass) =>
    daemons.length > 0 && isConcerned(each) ? [{ pod: each.pod, podClass }] : [],
  );
  if (concerned.length === 0) return reasons;
  o.nodeClasses.forEach(({ labels, taints, name }, nodeClass) => {
    const here = daemonSetsOn(o.daemonSets, labels, taints, name).map(daemonPodOf);
    const node: NodeInfo = { name, labels, taints, unschedulable: false, free: new Map(), pods: [] };
    for (const { pod, podClass } of concerned) {
      if (!allowed.has(nodeClass, podClass)) continue;
      for (const daemon of here) {
        const reason = conflictOf(pod, daemon, node, o.namespaces);
        if (reason === undefined) continue;
        allowed.set(nodeClass, podClass, false);
        reasons.set(podClass, reason);
        break;
      }
    }
  });
  return reasons;
};
