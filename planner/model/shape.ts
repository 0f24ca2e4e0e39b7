import { parseQuantity } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';

/** What is wrong with a value, to be read after its path: ' is not a list', '.spec is missing'. */
export type Check = (value: unknown) => string | undefined;

export type Json = Record<string, unknown>;

export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ofType =
  (type: 'string' | 'number' | 'boolean', called: string): Check =>
  (value) =>
    typeof value === type ? undefined : ` is not ${called}`;

export const text = ofType('string', 'text');
export const number = ofType('number', 'a number');
export const flag = ofType('boolean', 'true or false');

/** A list whose items all pass. */
export const list =
  (item: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return ' is not a list';
    for (let index = 0; index < value.length; index += 1) {
      const fault = item(value[index]);
      if (fault !== undefined) return `[${index}]${fault}`;
    }
    return undefined;
  };

/** A record whose values all pass. */
export const map =
  (item: Check): Check =>
  (value) => {
    if (!isRecord(value)) return ' is not an object';
    for (const key of Object.keys(value)) {
      const fault = item(valueAt(value, key));
      if (fault !== undefined) return `.${key}${fault}`;
    }
    return undefined;
  };

/** An object whose known fields pass; other fields are free. */
export const fields = (known: Readonly<Record<string, Check>>, required: readonly string[] = []): Check => {
  const checks = Object.entries(known).map(([key, check]) => ({
    key,
    check,
    isRequired: required.includes(key),
  }));
  return (value) => {
    if (!isRecord(value)) return ' is not an object';
    for (const { key, check, isRequired } of checks) {
      const field = valueAt(value, key);
      if (field === undefined) {
        if (isRequired) return `.${key} is missing`;
        continue;
      }
      const fault = check(field);
      if (fault !== undefined) return `.${key}${fault}`;
    }
    return undefined;
  };
};

/** Characters of a quantity that a message quotes. */
const MAX_SHOWN = 40;

export const quantity: Check = (value) => {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, MAX_SHOWN)) : typeof value;
  try {
    if (typeof value !== 'string') throw new Error('not text');
    parseQuantity(value);
    return undefined;
  } catch {
    return ` has ${shown}, which is not a quantity such as 250m or 1.5Gi`;
  }
};

/** Amounts by resource. */
export const quantities = map(quantity);

/** Fields that hold amounts by resource, where YAML written by hand has numbers for text. */
export const AMOUNTS: ReadonlySet<string> = new Set([
  'allocatable',
  'allocatedResources',
  'capacity',
  'kubeReserved',
  'limits',
  'overhead',
  'requests',
  'systemReserved',
]);

/** The value with numbers as text. */
const asText = (value: unknown): unknown => {
  if (!isRecord(value) || !Object.values(value).some((each) => typeof each === 'number')) return value;
  const entries = Object.entries(value).map(
    ([key, each]) => [key, typeof each === 'number' ? String(each) : each] as const,
  );
  return Object.fromEntries(entries);
};

/**
 * A value as the API server reads it: a field that is null is as good as left out, and what stands in fields of amounts is
 * text. The very same value where nothing changes.
 */
export const normalized = <T>(value: T, amounts: ReadonlySet<string>, key = ''): T => {
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let index = 0; index < value.length; index += 1) {
      const item: unknown = value[index];
      const next = normalized(item, amounts);
      if (next === item) continue;
      copy ??= value.slice();
      copy[index] = next;
    }
    return (copy ?? value) as T;
  }
  if (!isRecord(value)) return value;
  let changed = false;
  const entries: [string, unknown][] = [];
  for (const [field, item] of Object.entries(value)) {
    if (item === null) {
      changed = true;
      continue;
    }
    const next = typeof item === 'object' ? normalized(item, amounts, field) : item;
    if (next !== item) changed = true;
    entries.push([field, next]);
  }
  const same = changed ? Object.fromEntries(entries) : value;
  return (amounts.has(key) ? asText(same) : same) as T;
};
