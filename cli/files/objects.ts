import { itemsOf, objectsOf } from '../../planner/model/items.ts';
import { isRecord, type Json } from '../../planner/model/shape.ts';
import { FileFormatError } from './bytes.ts';

const hasName = ({ metadata }: Json): boolean => isRecord(metadata) && typeof metadata.name === 'string';

/** The Kubernetes objects in one document of a file: a list of any kind, an array, or one object. Throws FileFormatError. */
export const objectsIn = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return itemsOf(value);
  if (!isRecord(value)) throw new FileFormatError('is not a list of objects');
  const { kind } = value;
  if (kind === 'Status') throw new FileFormatError("is not a list of objects but the API server's refusal");
  if (kind === 'Table') throw new FileFormatError('is not a list of objects but a table for people');
  if ('items' in value) {
    if (value.items !== null && !Array.isArray(value.items)) {
      throw new FileFormatError('is not a v1 List: its items are no list');
    }
    return objectsOf(value);
  }
  if (typeof kind === 'string' && hasName(value)) return [value];
  throw new FileFormatError('is not a v1 List, nor an object of Kubernetes');
};
