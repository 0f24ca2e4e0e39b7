import type { LabelSelector, Pod, TopologySpreadConstraint } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { labelsOf, namespaceOf } from './interpodaffinity.ts';
import { matchesLabels, matchesNodeAffinity } from './nodeaffinity.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { untoleratedTaint } from './tainttoleration.ts';

/** The constraints that must hold, without those with ScheduleAnyway. */
export const requiredSpread = (pod: Pod): readonly TopologySpreadConstraint[] =>
  (pod.spec.topologySpreadConstraints ?? []).filter(
    (constraint) => constraint.whenUnsatisfiable === 'DoNotSchedule',
  );

/** The constraint's selector with the pod's values of matchLabelKeys added; undefined selects no pod. */
export const spreadSelector = (constraint: TopologySpreadConstraint, pod: Pod): LabelSelector | undefined => {
  const labels = labelsOf(pod);
  const keys = (constraint.matchLabelKeys ?? []).filter((key) => Object.hasOwn(labels, key));
  if (constraint.labelSelector === undefined || keys.length === 0) return constraint.labelSelector;
  return {
    ...constraint.labelSelector,
    matchExpressions: [
      ...(constraint.labelSelector.matchExpressions ?? []),
      ...keys.map((key) => ({ key, operator: 'In' as const, values: [valueAt(labels, key) ?? ''] })),
    ],
  };
};

const isEmpty = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;

/** Whether a constraint of `owner` counts `pod`; an empty selector counts none, as in kube-scheduler. */
export const spreadCounts = (selector: LabelSelector | undefined, owner: Pod, pod: Pod): boolean =>
  selector !== undefined &&
  !isEmpty(selector) &&
  pod.metadata.deletionTimestamp === undefined &&
  namespaceOf(owner) === namespaceOf(pod) &&
  matchesLabels(selector, labelsOf(pod));

/** Whether a constraint counts the pods of a node, by its nodeAffinityPolicy and nodeTaintsPolicy. */
export const isSpreadOver = (
  constraint: TopologySpreadConstraint,
  pod: Pod,
  node: Pick<NodeInfo, 'labels' | 'name' | 'taints'>,
): boolean =>
  ((constraint.nodeAffinityPolicy ?? 'Honor') === 'Ignore' ||
    matchesNodeAffinity(pod, node.labels, node.name)) &&
  ((constraint.nodeTaintsPolicy ?? 'Ignore') === 'Ignore' ||
    untoleratedTaint(node.taints, pod.spec.tolerations) === undefined);

/** Why spread constraints keep `pod` off `node`: it lacks a topology label, or the skew would be too large. */
export const refuseBySpread = (
  pod: Pod,
  node: NodeInfo,
  nodes: readonly NodeInfo[],
): 'label' | 'skew' | undefined => {
  const constraints = requiredSpread(pod);
  if (constraints.length === 0) return undefined;
  const eligible = nodes.filter((candidate) =>
    constraints.every((c) => valueAt(candidate.labels, c.topologyKey) !== undefined),
  );
  for (const constraint of constraints) {
    const domain = valueAt(node.labels, constraint.topologyKey);
    if (domain === undefined) return 'label';
    const selector = spreadSelector(constraint, pod);
    const counts = new Map<string, number>();
    for (const candidate of eligible) {
      if (!isSpreadOver(constraint, pod, candidate)) continue;
      const value = valueAt(candidate.labels, constraint.topologyKey) ?? '';
      let count = counts.get(value) ?? 0;
      for (const other of candidate.pods) if (spreadCounts(selector, pod, other)) count += 1;
      counts.set(value, count);
    }
    const least = counts.size < (constraint.minDomains ?? 1) ? 0 : Math.min(...counts.values());
    const self = matchesLabels(selector, labelsOf(pod)) ? 1 : 0;
    if ((counts.get(domain) ?? 0) + self - least > constraint.maxSkew) return 'skew';
  }
  return undefined;
};
