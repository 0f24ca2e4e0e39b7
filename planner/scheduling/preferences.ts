import type {
  NodeSelector,
  NodeSelectorTerm,
  Pod,
  PodAffinityTerm,
  TopologySpreadConstraint,
} from '../../api/objects.ts';
import { hasEnded, isBoundToNode } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { labelsOf, type NamespaceLabels, namespaceOf, termSelects } from './interpodaffinity.ts';
import { type Labels, matchesNodeSelector, withNodeAffinity } from './nodeaffinity.ts';

/**
 * How a plan treats preferred affinity and spread with ScheduleAnyway. 'Respect' treats them as required, and drops
 * those of a pod that could not be placed otherwise; 'Ignore' drops them all.
 */
export type Preferences = 'Respect' | 'Ignore';

/**
 * Karpenter's own default (PREFERENCE_POLICY). Pods are pinned to the planned nodes, so kube-scheduler's scores can't
 * make up for it: three replicas that prefer three zones would all end in the cheapest one.
 */
export const DEFAULT_PREFERENCES: Preferences = 'Respect';

/** A node's labels and name; the name is empty for a new node. */
export interface Place {
  readonly labels: Labels;
  readonly name: string;
}

const isMet = (term: NodeSelectorTerm, place: Place): boolean =>
  matchesNodeSelector({ nodeSelectorTerms: [term] }, place.labels, place.name);

const mergeTerms = (a: NodeSelectorTerm, b: NodeSelectorTerm): NodeSelectorTerm => ({
  matchExpressions: [...(a.matchExpressions ?? []), ...(b.matchExpressions ?? [])],
  matchFields: [...(a.matchFields ?? []), ...(b.matchFields ?? [])],
});

/** Terms that ask for labels, heaviest first: one that names a node is of an earlier plan, and says nothing of the next. */
const preferredTerms = (pod: Pod): NodeSelectorTerm[] =>
  [...(pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])]
    .sort((a, b) => b.weight - a.weight)
    .map((preferred) => preferred.preference)
    .filter((term) => !term.matchFields?.length);

const withTerms = (pod: Pod, terms: readonly NodeSelectorTerm[]): Pod => {
  if (terms.length === 0) return pod;
  const preferred = terms.reduce(mergeTerms);
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const demanded: NodeSelector = {
    nodeSelectorTerms: required
      ? required.nodeSelectorTerms.map((term) => mergeTerms(term, preferred))
      : [preferred],
  };
  return withNodeAffinity(pod, { requiredDuringSchedulingIgnoredDuringExecution: demanded });
};

const demand = (constraint: TopologySpreadConstraint): TopologySpreadConstraint => ({
  ...constraint,
  whenUnsatisfiable: 'DoNotSchedule',
});

const withSpread = (pod: Pod): Pod => {
  const constraints = pod.spec.topologySpreadConstraints;
  if (!constraints?.some((constraint) => constraint.whenUnsatisfiable === 'ScheduleAnyway')) return pod;
  return { ...pod, spec: { ...pod.spec, topologySpreadConstraints: constraints.map(demand) } };
};

/** Preferences to be with other pods, or apart from them. */
type Side = 'podAffinity' | 'podAntiAffinity';
const SIDES: readonly Side[] = ['podAffinity', 'podAntiAffinity'];

const preferredPodTerms = (pod: Pod, side: Side): PodAffinityTerm[] =>
  (pod.spec.affinity?.[side]?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
    (weighted) => weighted.podAffinityTerm,
  );

/** The pod with its preferences about other pods made required, where `keeps` is true. */
const withPodTerms = (pod: Pod, keeps: (term: PodAffinityTerm, side: Side) => boolean): Pod => {
  let affinity = pod.spec.affinity;
  for (const side of SIDES) {
    const terms = preferredPodTerms(pod, side).filter((term) => keeps(term, side));
    if (terms.length === 0) continue;
    const required = affinity?.[side]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const list = { requiredDuringSchedulingIgnoredDuringExecution: [...required, ...terms] };
    affinity = { ...affinity, [side]: list };
  }
  return affinity === pod.spec.affinity || !affinity ? pod : { ...pod, spec: { ...pod.spec, affinity } };
};

/** Whether a pod has preferred affinity or spread with ScheduleAnyway. */
export const hasPreferences = ({ spec: { affinity, topologySpreadConstraints } }: Pod): boolean =>
  (affinity !== undefined &&
    [affinity.nodeAffinity, affinity.podAffinity, affinity.podAntiAffinity].some(
      (kind) => (kind?.preferredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0,
    )) ||
  (topologySpreadConstraints ?? []).some((constraint) => constraint.whenUnsatisfiable === 'ScheduleAnyway');

/**
 * Pending pods with their preferences made required: spread, affinity to pods, and the heaviest node affinity that some
 * place meets. `places` are existing nodes and nodes that could be bought; without `aboutPods` only node affinity counts.
 */
export const preferWhileWaiting = (
  pods: readonly Pod[],
  places: readonly Place[],
  aboutPods = true,
): Pod[] => {
  const found = new Map<string, readonly NodeSelectorTerm[]>();
  return pods.map((pod) => {
    const terms = preferredTerms(pod);
    const id = JSON.stringify(terms);
    let met = found.get(id);
    if (!met) {
      const heaviest = terms.find((term) => places.some((place) => isMet(term, place)));
      met = heaviest ? [heaviest] : [];
      found.set(id, met);
    }
    const placed = withTerms(pod, met);
    return aboutPods ? withPodTerms(withSpread(placed), () => true) : placed;
  });
};

/** Counts the pods that a term of a pod selects in a domain of the snapshot. */
const countPods = (
  snapshot: Snapshot,
  namespaces: NamespaceLabels,
): ((pod: Pod, term: PodAffinityTerm, domain: string) => number) => {
  const labels = new Map(snapshot.nodes.map((node) => [node.metadata.name, node.metadata.labels ?? {}]));
  const counted = new Map<string, ReadonlyMap<string, number>>();
  return (pod, term, domain) => {
    const own = [...(term.matchLabelKeys ?? []), ...(term.mismatchLabelKeys ?? [])].map((key) =>
      valueAt(labelsOf(pod), key),
    );
    const id = JSON.stringify([term, namespaceOf(pod), own]);
    let counts = counted.get(id);
    if (!counts) {
      const found = new Map<string, number>();
      for (const other of snapshot.pods) {
        const value = valueAt(labels.get(other.spec.nodeName ?? ''), term.topologyKey);
        if (value === undefined || hasEnded(other) || !termSelects(term, pod, other, namespaces)) continue;
        found.set(value, (found.get(value) ?? 0) + 1);
      }
      counts = found;
      counted.set(id, counts);
    }
    return counts.get(domain) ?? 0;
  };
};

/**
 * The snapshot with the preferences of movable pods made required: spread, and affinity to nodes and pods that is met
 * today. `originals` has the pods that changed as they were.
 */
export const preferWhileMoving = (
  snapshot: Snapshot,
): { readonly snapshot: Snapshot; readonly originals: ReadonlyMap<Pod, Pod> } => {
  const nodes = new Map(snapshot.nodes.map((node) => [node.metadata.name, node]));
  const namespaces: NamespaceLabels = new Map(
    snapshot.namespaces.map((namespace) => [namespace.metadata.name, namespace.metadata.labels ?? {}]),
  );
  const count = countPods(snapshot, namespaces);
  const isSelected = (term: PodAffinityTerm, pod: Pod): boolean => termSelects(term, pod, pod, namespaces);
  const originals = new Map<Pod, Pod>();
  const pods = snapshot.pods.map((pod) => {
    const node = nodes.get(pod.spec.nodeName ?? '');
    if (!node || isBoundToNode(pod) || !hasPreferences(pod)) return pod;
    const place = { labels: node.metadata.labels ?? {}, name: node.metadata.name };
    const met = preferredTerms(pod).filter((term) => isMet(term, place));
    const isKept = (term: PodAffinityTerm, side: Side): boolean => {
      const domain = valueAt(place.labels, term.topologyKey);
      if (domain === undefined) return false;
      const others = count(pod, term, domain) - (isSelected(term, pod) ? 1 : 0);
      return side === 'podAffinity' ? others > 0 : others === 0;
    };
    const demands = withPodTerms(withSpread(withTerms(pod, met)), isKept);
    if (demands !== pod) originals.set(demands, pod);
    return demands;
  });
  return { snapshot: { ...snapshot, pods }, originals };
};
