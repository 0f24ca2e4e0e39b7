import type { DaemonSet, Pod, PodAffinityTerm } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import { daemonPodOf, daemonSetsOn } from '../../scheduling/daemonset.ts';
import {
  type NamespaceLabels,
  requiredAntiAffinity,
  termSelects,
} from '../../scheduling/interpodaffinity.ts';
import type { Labels } from '../../scheduling/nodeaffinity.ts';
import { conflicts, hostPorts } from '../../scheduling/nodeports.ts';
import type { BitMatrix } from '../matrix.ts';
import type { NodeClass } from '../nodeclass.ts';
import type { PodClass } from '../podclass.ts';

const nameOf = ({ metadata }: Pod): string => `DaemonSet ${metadata.namespace ?? 'default'}/${metadata.name}`;

/** Why a pod can't be beside a DaemonSet's pod: on any node, or on those that have one of some labels. */
interface Conflict {
  readonly reason: string;
  /** Topology keys that a node needs one of; undefined where the two can be together nowhere. */
  readonly keys?: ReadonlySet<string>;
}

/** Keys of the domains that required anti-affinity of one of two pods keeps them from sharing. */
const keysApart = (a: Pod, b: Pod, namespaces: NamespaceLabels): ReadonlySet<string> => {
  const terms = (from: Pod, to: Pod): readonly PodAffinityTerm[] =>
    requiredAntiAffinity(from).filter((term) => termSelects(term, from, to, namespaces));
  return new Set([...terms(a, b), ...terms(b, a)].map(({ topologyKey }) => topologyKey));
};

const conflictOf = (pod: Pod, daemon: Pod, namespaces: NamespaceLabels): Conflict | undefined => {
  const taken = hostPorts(daemon);
  const port = hostPorts(pod).find((own) => taken.some((other) => conflicts(own, other)));
  if (port)
    return { reason: `${nameOf(daemon)} takes its host port ${port.port} on every node that it may use` };
  const keys = keysApart(pod, daemon, namespaces);
  if (keys.size === 0) return undefined;
  const reason = `anti-affinity keeps it off every node that it may use, where pods of ${nameOf(daemon)} run`;
  return { reason, keys };
};

const isOn = ({ keys }: Conflict, labels: Labels): boolean =>
  keys === undefined || [...keys].some((key) => valueAt(labels, key) !== undefined);

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
  // What two pods have against each other is the same on every node: per DaemonSet, the pod classes that it keeps off.
  const conflictsOf = new Map(
    o.daemonSets.map((set) => {
      const daemon = daemonPodOf(set);
      const found = o.podClasses.flatMap(({ pod, stays }, podClass) => {
        const conflict = stays ? undefined : conflictOf(pod, daemon, o.namespaces);
        return conflict ? [{ podClass, conflict }] : [];
      });
      return [set, found] as const;
    }),
  );
  const repelling = o.daemonSets.filter((set) => (conflictsOf.get(set) ?? []).length > 0);
  if (repelling.length === 0) return reasons;
  o.nodeClasses.forEach(({ labels, taints, name }, nodeClass) => {
    for (const set of daemonSetsOn(repelling, labels, taints, name)) {
      for (const { podClass, conflict } of conflictsOf.get(set) ?? []) {
        if (!allowed.has(nodeClass, podClass) || !isOn(conflict, labels)) continue;
        allowed.set(nodeClass, podClass, false);
        reasons.set(podClass, conflict.reason);
      }
    }
  });
  return reasons;
};
