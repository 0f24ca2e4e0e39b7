import type { KubeObject, ManagedFields } from '../../../api/objects.ts';
import { isObject, isSameJson, type Json } from './json.ts';

/** managedFields of updates: who wrote a field last, with labels, annotations and fields of the spec one by one. */

type Fields = Map<string, Map<string, unknown>>;

const PARTS: readonly (readonly [string, readonly string[]])[] = [
  ['labels', ['f:metadata', 'f:labels']],
  ['annotations', ['f:metadata', 'f:annotations']],
  ['spec', ['f:spec']],
];

const partOf = (object: KubeObject, part: string): Json => {
  const parent = (part === 'spec' ? object : object.metadata) as unknown as Json;
  const found = parent[part];
  return isObject(found) ? found : {};
};

const fieldsOf = (tree: unknown): Fields => {
  const fields: Fields = new Map();
  for (const [part, path] of PARTS) {
    const found = path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), tree);
    fields.set(part, new Map(Object.entries(isObject(found) ? found : {})));
  }
  return fields;
};

const treeOf = (fields: Fields): Json => {
  const of = (part: string): Json => Object.fromEntries(fields.get(part) ?? []);
  return {
    'f:metadata': { 'f:labels': of('labels'), 'f:annotations': of('annotations') },
    'f:spec': of('spec'),
  };
};

/** The managedFields after an update by a manager. */
export const managedAfter = (
  old: KubeObject | undefined,
  next: KubeObject,
  manager: string,
): readonly ManagedFields[] => {
  const known = old?.metadata.managedFields ?? [];
  const changed = PARTS.flatMap(([part]) => {
    const [before, after] = [old ? partOf(old, part) : {}, partOf(next, part)];
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys
      .filter((key) => !isSameJson(before[key], after[key]))
      .map((key) => ({ part, key: `f:${key}`, isThere: after[key] !== undefined }));
  });
  if (changed.length === 0) return known;
  const managers = new Map(known.map((each) => [each.manager ?? '', fieldsOf(each.fieldsV1)]));
  if (!managers.has(manager)) managers.set(manager, fieldsOf({}));
  for (const { part, key, isThere } of changed) {
    for (const [name, fields] of managers) {
      if (name === manager && isThere) fields.get(part)?.set(key, {});
      else fields.get(part)?.delete(key);
    }
  }
  return [...managers].map(([name, fields]) => ({
    manager: name,
    operation: 'Update',
    fieldsV1: treeOf(fields),
  })) as readonly ManagedFields[];
};
