import { isRecord, type Json } from './shape.ts';

/** Lists within lists that are looked into. */
const MAX_DEPTH = 4;

const isList = (item: unknown): item is Json & { readonly kind: string } =>
  isRecord(item) && typeof item.kind === 'string' && item.kind.endsWith('List') && 'items' in item;

/** The objects of items that may be lists themselves. The items of an API list take kind and version from it. */
export const itemsOf = (items: readonly unknown[], depth = 0): readonly unknown[] => {
  if (!items.some(isList)) return items;
  return items.flatMap((item) => (isList(item) ? objectsOf(item, depth + 1) : [item]));
};

/** The objects of a list, none where its items are null. */
export const objectsOf = (list: Json, depth = 0): readonly unknown[] => {
  const items: readonly unknown[] = Array.isArray(list.items) && depth < MAX_DEPTH ? list.items : [];
  const kind = String(list.kind ?? 'List').slice(0, -'List'.length);
  const named = items.map((item) => {
    if (kind === '' || !isRecord(item) || typeof item.kind === 'string') return item;
    return { ...(typeof list.apiVersion === 'string' && { apiVersion: list.apiVersion }), ...item, kind };
  });
  return itemsOf(named, depth);
};

interface Found {
  readonly item: Json;
  readonly what: string;
}

const metadataOf = ({ metadata }: Json): Json => (isRecord(metadata) ? metadata : {});

/** Whether `a` is a later state than `b`: made later, or the same object after more writes. */
const isNewer = (a: Json, b: Json): boolean => {
  const [mine, other] = [metadataOf(a), metadataOf(b)];
  const created = String(mine.creationTimestamp ?? '').localeCompare(String(other.creationTimestamp ?? ''));
  if (created !== 0) return created > 0;
  return Number(mine.resourceVersion ?? 0) > Number(other.resourceVersion ?? 0);
};

/** One of each object, by uid, or by kind, namespace and name; the newest state of those that stand twice. */
export const newestOfEach = <T extends Found>(found: readonly T[]): readonly T[] => {
  const newest = new Map<string, T>();
  for (const each of found) {
    const known = newest.get(each.what);
    if (!known || isNewer(each.item, known.item)) newest.set(each.what, each);
  }
  return newest.size === found.length ? found : [...newest.values()];
};
