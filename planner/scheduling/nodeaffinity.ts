import type { LabelSelector, NodeSelector, NodeSelectorTerm, Pod, Requirement } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';

export type Labels = Readonly<Record<string, string>>;

/** At most 19 digits that count: BigInt reads a million of them, and takes its time. */
const INTEGER = /^([+-]?)0*(\d{1,19})$/;

/** The 64-bit integer that Go's ParseInt reads; undefined when it reads none. */
export const integerOf = (text: string | undefined): bigint | undefined => {
  const [, sign, digits] = INTEGER.exec(text ?? '') ?? [];
  if (digits === undefined) return undefined;
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  return BigInt.asIntN(64, value) === value ? value : undefined;
};

/** Whether a label value meets one requirement; the value is undefined for an absent label. */
export const meets = (requirement: Requirement, value: string | undefined): boolean => {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt':
    case 'Gte':
    case 'Lte': {
      const have = integerOf(value);
      const bound = integerOf(values[0]);
      if (have === undefined || bound === undefined || values.length !== 1) return false;
      if (have === bound) return requirement.operator === 'Gte' || requirement.operator === 'Lte';
      return requirement.operator === 'Gt' || requirement.operator === 'Gte' ? have > bound : have < bound;
    }
    default:
      return false;
  }
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
