import { type Features, mergeFeatures, parseFeatures } from '../../api/features.ts';

export type Data = Readonly<Record<string, string>>;

/** One ConfigMap: its data, and the data in force, which is older while the new data can't be read. */
interface Entry {
  readonly seen: Data;
  readonly accepted?: Data;
  readonly features?: Features;
  readonly problem?: string;
  readonly isDynamic: boolean;
}

/** Every ConfigMap with features, by 'namespace/name', and the data that earlier leaders had accepted. */
export interface Book {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly remembered: Readonly<Record<string, Data>>;
}

export type News =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'applied'; readonly features: Features; readonly unknown: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: string; readonly keepsEarlier: boolean }
  | { readonly kind: 'removed' };

export const openBook = (remembered: Readonly<Record<string, Data>> = {}): Book => ({
  entries: new Map(),
  remembered,
});

const isSame = (a: Data, b: Data): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};

/** The last readable data of a ConfigMap, from this process or from an earlier leader. */
const earlier = (book: Book, key: string): Pick<Entry, 'accepted' | 'features'> => {
  const { accepted, features } = book.entries.get(key) ?? {};
  if (accepted && features) return { accepted, features };
  const data = book.remembered[key];
  const parsed = data ? parseFeatures(data) : undefined;
  return data && parsed?.ok ? { accepted: data, features: parsed.features } : {};
};

const put = (book: Book, key: string, entry: Entry): Book => ({
  ...book,
  entries: new Map([...book.entries, [key, entry]]),
});

/** Records a ConfigMap as it is now. */
export const take = (
  book: Book,
  key: string,
  data: Data,
  isDynamic: boolean,
): { readonly book: Book; readonly news: News } => {
  const old = book.entries.get(key);
  if (old && isSame(old.seen, data)) return { book, news: { kind: 'unchanged' } };
  const parsed = parseFeatures(data);
  if (parsed.ok) {
    const { features, unknown } = parsed;
    const entry = { seen: data, accepted: data, features, isDynamic };
    return { book: put(book, key, entry), news: { kind: 'applied', features, unknown } };
  }
  const { problem } = parsed;
  const kept = earlier(book, key);
  return {
    book: put(book, key, { seen: data, ...kept, problem, isDynamic }),
    news: { kind: 'refused', problem, keepsEarlier: kept.features !== undefined },
  };
};

/** Removes a deleted ConfigMap, together with what an earlier leader had accepted of it. */
export const drop = (book: Book, key: string): { readonly book: Book; readonly news: News } => {
  if (!book.entries.has(key)) return { book, news: { kind: 'unchanged' } };
  const { [key]: _, ...remembered } = book.remembered;
  const entries = new Map([...book.entries].filter(([k]) => k !== key));
  return { book: { entries, remembered }, news: { kind: 'removed' } };
};

/** The features in force: by name, the last one wins, and dynamic ConfigMaps win over all others. */
export const inForce = (book: Book): Features =>
  mergeFeatures(
    [...book.entries]
      .toSorted(([a, x], [b, y]) => Number(x.isDynamic) - Number(y.isDynamic) || (a < b ? -1 : Number(a > b)))
      .flatMap(([, { features }]) => (features ? [features] : [])),
  );

/** The accepted data of each ConfigMap, which the next leader needs. */
export const acceptedOf = (book: Book): Readonly<Record<string, Data>> =>
  Object.fromEntries(
    [...book.entries]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, { accepted }]) => (accepted ? [[key, accepted]] : [])),
  );

/** One sentence for each ConfigMap that can't be read. */
export const problemsOf = (book: Book): readonly string[] =>
  [...book.entries].flatMap(([key, { problem }]) => (problem ? [`${key}: ${problem}`] : [])).toSorted();
