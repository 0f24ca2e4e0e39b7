import type { Pod, PodAffinityTerm } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { type Labels, matchesLabels } from './nodeaffinity.ts';
import type { NodeInfo } from './nodeinfo.ts';

const NONE: Labels = {};

export const labelsOf = (pod: Pod): Labels => pod.metadata.labels ?? NONE;
export const namespaceOf = (pod: Pod): string => pod.metadata.namespace ?? 'default';

export const requiredAffinity = (pod: Pod): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
export const requiredAntiAffinity = (pod: Pod): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];

/** Labels by namespace; an unknown namespace has only the label with its name. */
export type NamespaceLabels = ReadonlyMap<string, Labels>;

const namespaceLabels = (namespaces: NamespaceLabels, name: string): Labels =>
  namespaces.get(name) ?? { 'kubernetes.io/metadata.name': name };

/** Whether a term of `owner` selects `pod`. */
export const termSelects = (
  term: PodAffinityTerm,
  owner: Pod,
  pod: Pod,
  namespaces: NamespaceLabels,
): boolean => {
  const own = !term.namespaces?.length && term.namespaceSelector === undefined;
  const inNamespace = own
    ? namespaceOf(owner) === namespaceOf(pod)
    : (term.namespaces ?? []).includes(namespaceOf(pod)) ||
      matchesLabels(term.namespaceSelector, namespaceLabels(namespaces, namespaceOf(pod)));
  if (!inNamespace || !matchesLabels(term.labelSelector, labelsOf(pod))) return false;
  if (term.labelSelector === undefined) return false;
  const mine = labelsOf(owner);
  const theirs = labelsOf(pod);
  for (const key of term.matchLabelKeys ?? [])
    if (Object.hasOwn(mine, key) && valueAt(mine, key) !== valueAt(theirs, key)) return false;
  for (const key of term.mismatchLabelKeys ?? [])
    if (Object.hasOwn(mine, key) && valueAt(mine, key) === valueAt(theirs, key)) return false;
  return true;
};

/**
 * Origin of the required anti-affinity that keeps `pod` off `node` because of the pods on `other`: its own, or that of
 * an existing pod.
 */
export const refuseByAntiAffinity = (
  pod: Pod,
  node: NodeInfo,
  other: NodeInfo,
  namespaces: NamespaceLabels,
): 'own' | 'existing' | undefined => {
  const shares = (key: string): boolean => {
    const domain = valueAt(node.labels, key);
    return domain !== undefined && domain === valueAt(other.labels, key);
  };
  const own = requiredAntiAffinity(pod).filter((term) => shares(term.topologyKey));
  for (const existing of other.pods) {
    if (own.some((term) => termSelects(term, pod, existing, namespaces))) return 'own';
  }
  for (const existing of other.pods) {
    const terms = requiredAntiAffinity(existing);
    if (terms.some((term) => shares(term.topologyKey) && termSelects(term, existing, pod, namespaces))) {
      return 'existing';
    }
  }
  return undefined;
};

/**
 * Whether `node` meets required pod affinity: each term's domain has a pod that all terms select. A pod that selects
 * itself may be the first such pod anywhere.
 */
export const isAffinityMet = (
  pod: Pod,
  node: NodeInfo,
  nodes: readonly NodeInfo[],
  namespaces: NamespaceLabels,
): boolean => {
  const terms = requiredAffinity(pod);
  if (terms.length === 0) return true;
  if (terms.some((term) => valueAt(node.labels, term.topologyKey) === undefined)) return false;
  const isSelected = (other: Pod): boolean =>
    terms.every((term) => termSelects(term, pod, other, namespaces));
  const isFound = terms.map(() => false);
  let hasAny = false;
  for (const other of nodes) {
    if (!other.pods.some(isSelected)) continue;
    terms.forEach((term, index) => {
      const value = valueAt(other.labels, term.topologyKey);
      if (value === undefined) return;
      hasAny = true;
      if (value === valueAt(node.labels, term.topologyKey)) isFound[index] = true;
    });
  }
  return isFound.every(Boolean) || (!hasAny && isSelected(pod));
};
