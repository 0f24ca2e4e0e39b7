import type { KubeObject, LabelSelector } from '../../../api/objects.ts';
import { isObject } from './json.ts';

/** Whether a selector of labels, as in a PodDisruptionBudget, selects an object; an empty one selects all. */
export const matchesLabels = (
  selector: LabelSelector | undefined,
  labels: Readonly<Record<string, string>> = {},
): boolean => {
  if (!selector) return false;
  const isEqual = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  const meets = (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    if (operator === 'Exists') return value !== undefined;
    if (operator === 'DoesNotExist') return value === undefined;
    const isIn = value !== undefined && values.includes(value);
    return operator === 'In' ? isIn : !isIn;
  });
  return isEqual && meets;
};

const terms = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter(Boolean);

const labelTerm = (labels: Readonly<Record<string, string>>, term: string): boolean => {
  const [, key = '', not, values] = /^(\S+) (not)?in \((.*)\)$/.exec(term) ?? [];
  if (values !== undefined) {
    const value = labels[key];
    const isIn = value !== undefined && values.split(',').some((each) => each.trim() === value);
    return isIn === (not === undefined);
  }
  const equal = /^([^!=]+)(!?)==?(.*)$/.exec(term);
  if (equal) return (labels[(equal[1] ?? '').trim()] === (equal[3] ?? '').trim()) === (equal[2] === '');
  return term.startsWith('!') ? labels[term.slice(1)] === undefined : labels[term] !== undefined;
};

const fieldOf = (object: KubeObject, path: string): string => {
  const value = path
    .split('.')
    .reduce<unknown>((found, key) => (isObject(found) ? found[key] : undefined), object);
  return value === undefined ? '' : String(value);
};

const fieldTerm = (object: KubeObject, term: string): boolean => {
  const [, path = '', not = '', value = ''] = /^([^!=]+)(!?)==?(.*)$/.exec(term) ?? [];
  return (fieldOf(object, path) === value) === (not === '');
};

/** Whether the selectors of a list request select an object. */
export const isSelected = (
  object: KubeObject,
  o: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined },
): boolean =>
  terms(o.labelSelector).every((term) => labelTerm(object.metadata.labels ?? {}, term)) &&
  terms(o.fieldSelector).every((term) => fieldTerm(object, term));
