import type { ObjectMeta } from '../api/objects.ts';
import { valueAt } from '../api/records/valueat.ts';

/** A field of an object as managedFields spells it, such as ['f:spec', 'f:unschedulable']. */
export type FieldPath = readonly string[];

export const annotationPath = (annotation: string): FieldPath => [
  'f:metadata',
  'f:annotations',
  `f:${annotation}`,
];

const has = (tree: unknown, [first, ...rest]: FieldPath): boolean => {
  if (first === undefined) return true;
  if (typeof tree !== 'object' || tree === null || !Object.hasOwn(tree, first)) return false;
  return has(valueAt(tree as Readonly<Record<string, unknown>>, first), rest);
};

const managersOf = ({ managedFields }: ObjectMeta, path: FieldPath): readonly string[] =>
  (managedFields ?? []).filter(({ fieldsV1 }) => has(fieldsV1, path)).map(({ manager }) => manager ?? '');

/**
 * True when someone else than the writer of the mark wrote the field since, or applied it too. A write that changes
 * nothing leaves no trace: the API server drops it.
 */
export const isWrittenByOthers = (metadata: ObjectMeta, field: FieldPath, mark: FieldPath): boolean => {
  const ours = new Set(managersOf(metadata, mark));
  return ours.size > 0 && managersOf(metadata, field).some((manager) => !ours.has(manager));
};
