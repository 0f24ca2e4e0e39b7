import { invalidValue, missingParameter } from './errors.ts';

/**
 * A request of the EC2 query protocol as a tree: `Filter.1.Value.2=x` is
 * child(child(form, 'Filter'), '1') … and so on. Lists are counted from 1.
 */
export interface Form {
  readonly text: string | undefined;
  readonly fields: ReadonlyMap<string, Form>;
}

interface Growing {
  text: string | undefined;
  fields: Map<string, Growing>;
}

export const parseForm = (body: string): Form => {
  const root: Growing = { text: undefined, fields: new Map() };
  for (const [path, value] of new URLSearchParams(body)) {
    let at = root;
    for (const step of path.split('.')) {
      let next = at.fields.get(step);
      if (next === undefined) {
        next = { text: undefined, fields: new Map() };
        at.fields.set(step, next);
      }
      at = next;
    }
    at.text = value;
  }
  return root;
};

export const child = (form: Form | undefined, name: string): Form | undefined => form?.fields.get(name);

export const text = (form: Form | undefined, ...path: readonly string[]): string | undefined => {
  let at = form;
  for (const step of path) at = child(at, step);
  return at?.text;
};

/** The elements of a list, in the order of their numbers. */
export const list = (form: Form | undefined, name: string): readonly Form[] =>
  [...(child(form, name)?.fields ?? [])]
    .filter(([key]) => /^\d+$/.test(key))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, element]) => element);

export const texts = (form: Form | undefined, name: string): readonly string[] =>
  list(form, name).flatMap((element) => (element.text === undefined ? [] : [element.text]));

export const required = (form: Form | undefined, name: string): string => {
  const value = text(form, name);
  if (value === undefined || value === '') throw missingParameter(name);
  return value;
};

export const integer = (form: Form | undefined, name: string): number | undefined => {
  const value = text(form, name);
  if (value === undefined) return undefined;
  if (!/^-?\d+$/.test(value)) throw invalidValue(name, value);
  return Number(value);
};

export const flag = (form: Form | undefined, name: string): boolean => text(form, name) === 'true';
