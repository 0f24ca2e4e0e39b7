import type { LabelSelector, NodeSelector, NodeSelectorTerm, Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { meets } from '../model/offers/requirement.ts';

export { integerOf, meets } from '../model/offers/requirement.ts';

export type Labels = Readonly<Record<string, string>>;

type NodeAffinity = NonNullable<NonNullable<Pod['spec']['affinity']>['nodeAffinity']>;

/** The pod with a part of its node affinity in place of its own. */
export const withNodeAffinity = (pod: Pod, part: Partial<NodeAffinity>): Pod => {
  const { affinity } = pod.spec;
  const nodeAffinity = { ...affinity?.nodeAffinity, ...part };
  return { ...pod, spec: { ...pod.spec, affinity: { ...affinity, nodeAffinity } } };
};

const matchesTerm = (
  term: NodeSelectorTerm,
  labels: Labels,
  nodeName: string,
  unknown: ReadonlySet<string> | undefined,
): boolean => {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  return (
    expressions.every(
      (requirement) => !unknown?.has(requirement.key) && meets(requirement, valueAt(labels, requirement.key)),
    ) && fields.every((requirement) => requirement.key === 'metadata.name' && meets(requirement, nodeName))
  );
};

/** Whether a node meets every requirement of at least one term; one on an `unknown` label is never met. */
export const matchesNodeSelector = (
  selector: NodeSelector,
  labels: Labels,
  nodeName: string,
  unknown?: ReadonlySet<string>,
): boolean => selector.nodeSelectorTerms.some((term) => matchesTerm(term, labels, nodeName, unknown));

/** Whether a node meets the pod's nodeSelector and required node affinity; nothing on an `unknown` label is met. */
export const matchesNodeAffinity = (
  pod: Pod,
  labels: Labels,
  nodeName: string,
  unknown?: ReadonlySet<string>,
): boolean => {
  for (const key in pod.spec.nodeSelector)
    if (valueAt(labels, key) !== valueAt(pod.spec.nodeSelector, key)) return false;
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesNodeSelector(required, labels, nodeName, unknown);
};

/** Whether labels meet a label selector; undefined matches nothing, an empty selector everything. */
export const matchesLabels = (selector: LabelSelector | undefined, labels: Labels): boolean => {
  if (selector === undefined) return false;
  for (const key in selector.matchLabels)
    if (valueAt(labels, key) !== valueAt(selector.matchLabels, key)) return false;
  return (selector.matchExpressions ?? []).every((requirement) =>
    meets(requirement, valueAt(labels, requirement.key)),
  );
};
