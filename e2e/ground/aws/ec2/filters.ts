import { AwsError } from '../protocol/errors.ts';
import { type Form, list, text, texts } from '../protocol/form.ts';

export interface Filter {
  readonly name: string;
  readonly values: readonly string[];
}

export const filtersOf = (form: Form): readonly Filter[] =>
  list(form, 'Filter').map((each) => ({ name: text(each, 'Name') ?? '', values: texts(each, 'Value') }));

/** Whether a value matches a pattern of a filter: `*` is any text, `?` any one character, the rest is literal. */
export const matchesPattern = (pattern: string, value: string): boolean => {
  if (!/[*?]/.test(pattern)) return pattern === value;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(value);
};

/** The values of an item under each filter name that it knows. */
export type Attributes<T> = Readonly<Record<string, (item: T) => readonly string[]>>;

const tagValues = (name: string, tags: ReadonlyMap<string, string>): readonly string[] | undefined => {
  if (name === 'tag-key') return [...tags.keys()];
  if (!name.startsWith('tag:')) return undefined;
  const value = tags.get(name.slice('tag:'.length));
  return value === undefined ? [] : [value];
};

/**
 * The items that pass every filter; a filter passes when one of its values matches one of the item's.
 * Throws InvalidParameterValue for a filter name that the call does not know, as EC2 does.
 */
export const applyFilters = <T>(
  items: readonly T[],
  filters: readonly Filter[],
  attributes: Attributes<T>,
  tagsOf: (item: T) => ReadonlyMap<string, string>,
): readonly T[] => {
  for (const { name } of filters) {
    const isKnown = name in attributes || name === 'tag-key' || name.startsWith('tag:');
    if (!isKnown) throw new AwsError('InvalidParameterValue', `The filter '${name}' is invalid`);
  }
  return items.filter((item) =>
    filters.every(({ name, values }) => {
      const have = tagValues(name, tagsOf(item)) ?? attributes[name]?.(item) ?? [];
      return values.some((pattern) => have.some((value) => matchesPattern(pattern, value)));
    }),
  );
};

export const NO_TAGS: ReadonlyMap<string, string> = new Map();
export const withoutTags = (): ReadonlyMap<string, string> => NO_TAGS;
