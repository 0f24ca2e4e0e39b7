/**
 * Records whose keys come from outside: a label may be called `constructor`, and every object inherits a value of that
 * name. Reads and writes by such keys go through here; e2e/structure/recordkeys.test.ts sees to it.
 */

/** The record's own value at a key, undefined for what it only inherits. */
export const valueAt = <V>(record: Readonly<Record<string, V>> | undefined, key: string): V | undefined => {
  if (record === undefined) return undefined;
  const value = record[key];
  // No object inherits a text, and most values are texts: fit reads millions of them.
  return typeof value === 'string' || Object.hasOwn(record, key) ? value : undefined;
};

/** Sets the record's own value at a key, `__proto__` included. */
export const putAt = <V>(record: Record<string, V>, key: string, value: V): void => {
  if (key === '__proto__')
    Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
  else record[key] = value;
};
